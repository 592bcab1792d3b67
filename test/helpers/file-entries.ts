/** Files as a peer describes them, made up: a content is a number. */
import { createHash } from "node:crypto";
import type { FileName } from "../../src/wire/file-name.ts";
import type { FileEntry } from "../../src/wire/messages.ts";

export function rootOf(content: number | string): string {
  return createHash("sha256").update(`root ${content}`).digest("hex");
}

export function md5Of(content: number | string): string {
  return createHash("md5").update(`md5 ${content}`).digest("hex");
}

/** The name must be legal; nothing checks it here. */
export function fileEntry(name: string, content: number | string = name): FileEntry {
  return {
    name: name as FileName,
    sizeBytes: 1000 + String(content).length,
    md5: md5Of(content),
    root: rootOf(content),
  };
}

/** As it stands in a REGISTER or UPDATE. */
export function wireEntry(name: string, content: number | string = name): object {
  const { sizeBytes, md5, root } = fileEntry(name, content);
  return { name, size: sizeBytes, md5, root };
}
