/**
 * A file's name, on the wire and on the receiving disk. The brand makes sure that no text from elsewhere is
 * stored, sent or written as a name without having passed here.
 */
import { maxNameBytes, maxNamePartBytes, maxNameParts } from "./limits.ts";

/** `/`-separated relative path that has passed `nameProblem`: legal on the wire. */
export type FileName = string & { readonly __brand: "FileName" };
/** One path part that this system can store under exactly that name: legal to write. */
export type SafeName = string & { readonly __brand: "SafeName" };

/** C0, DEL, C1; line and paragraph separator; byte order mark; bidirectional embeddings, overrides, isolates. */
const forbidden = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff\u202a-\u202e\u2066-\u2069]/;

/** Why `name` is no legal name on the wire (PROTOCOL.md, "Names"), or undefined when it is one. */
export function nameProblem(name: string): string | undefined {
  if (name.length === 0) return "it is empty";
  if (!name.isWellFormed()) return "it is not well-formed Unicode";
  if (Buffer.byteLength(name) > maxNameBytes) return `it is longer than ${maxNameBytes} bytes`;
  if (name.includes("\\")) return "it contains a backslash";
  if (forbidden.test(name)) return "it contains a control character";
  const parts = name.split("/");
  if (parts.length > maxNameParts) return `it has more than ${maxNameParts} parts`;
  for (const part of parts) {
    if (part === "") return "it has an empty part";
    if (part === "." || part === "..") return `it has the part ${part}`;
    if (Buffer.byteLength(part) > maxNamePartBytes) return `a part is longer than ${maxNamePartBytes} bytes`;
  }
  return undefined;
}

/** `name` as a FileName, or undefined when it is none. */
export function fileName(name: string): FileName | undefined {
  return nameProblem(name) === undefined ? (name as FileName) : undefined;
}

/** What follows the last `/`. */
export function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** Names that Windows gives to devices, with any extension (Microsoft: Naming Files, Paths, and Namespaces). */
const windowsDevice =
  /^(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$)\s*(\..*)?$/i;

/** What partial files and their companions begin with; never shared, never a download's name. */
export const partialPrefix = ".p2p-";

/** Why one part of a name cannot be written on `platform` as it is, or undefined when it can. */
export function safeNameProblem(part: string, platform: NodeJS.Platform): string | undefined {
  if (part.includes("/")) return "it contains a slash";
  return nameProblem(part) ?? safePartProblem(part, platform);
}

/** As `safeNameProblem`, for a part of a FileName: as a whole it has passed what its parts would have to. */
export function safePartProblem(part: string, platform: NodeJS.Platform): string | undefined {
  if (part.startsWith(partialPrefix)) return `names that begin with ${partialPrefix} belong to partial files`;
  if (platform !== "win32") return undefined;
  if (/[<>:"|?*]/.test(part)) return "Windows cannot store one of its characters";
  if (/[. ]$/.test(part)) return "Windows drops a dot or space at the end";
  if (windowsDevice.test(part)) return "Windows takes it for a device";
  return undefined;
}

/** `part` as a SafeName of `platform`, or undefined when it is none. */
export function safeName(part: string, platform: NodeJS.Platform): SafeName | undefined {
  return safeNameProblem(part, platform) === undefined ? (part as SafeName) : undefined;
}
