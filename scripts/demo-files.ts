/**
 * The files of the demo: made on the spot with a SHA-256 that is known before anything is sent, or one of the
 * user's. Says which of the three peers shares what.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  copyFileSync,
  createReadStream,
  linkSync,
  mkdirSync,
  openSync,
  realpathSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

export interface DemoFile {
  /** As the index knows it. */
  name: string;
  sha256: string;
  sizeBytes: number;
}

const mib = 1024 * 1024;
export const largeBytes = 200 * mib;
/** `large` is hard-linked from here into each folder, so it is on the disk once. */
const largeName = "holiday-video.mkv";

const smallFiles: readonly { peer: number; name: string; text: string }[] = [
  { peer: 0, name: "read me first.txt", text: "Only one of the three has this file.\n" },
  { peer: 0, name: "notes/shared.txt", text: "Two of the three have this file.\n" },
  { peer: 1, name: "notes/shared.txt", text: "Two of the three have this file.\n" },
  { peer: 1, name: "Grüße/Päckchen für 小明 🎁.txt", text: "Names are kept as they are.\n" },
  { peer: 2, name: "empty.txt", text: "" },
];

export const unicodeName = "Päckchen für 小明 🎁.txt";

/** Fills the folders of the three peers. The first file returned is the one that all of them have. */
export async function fillShares(
  folders: readonly string[],
  userFile: string | undefined,
): Promise<DemoFile[]> {
  const [first = ""] = folders;
  const shared = userFile === undefined ? makeLarge(join(first, largeName)) : await takeFile(userFile, first);
  for (const folder of folders.slice(1)) linkSync(join(first, shared.name), join(folder, shared.name));
  const files = [shared];
  for (const { peer, name, text } of smallFiles) {
    const path = join(folders[peer] ?? first, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    settle(path);
    if (files.some((file) => file.name === name)) continue;
    const sha256 = new Bun.CryptoHasher("sha256").update(text).digest("hex");
    files.push({ name, sha256, sizeBytes: Buffer.byteLength(text) });
  }
  return files;
}

export async function sha256OfFile(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const bytes of createReadStream(path, { highWaterMark: mib })) hasher.update(bytes);
  return hasher.digest("hex");
}

function makeLarge(path: string): DemoFile {
  const hasher = new Bun.CryptoHasher("sha256");
  const descriptor = openSync(path, "w");
  try {
    for (let done = 0; done < largeBytes; done += mib) {
      const block = randomBytes(mib);
      hasher.update(block);
      for (let at = 0; at < mib; ) at += writeSync(descriptor, block, at);
    }
  } finally {
    closeSync(descriptor);
  }
  settle(path);
  return { name: largeName, sha256: hasher.digest("hex"), sizeBytes: largeBytes };
}

/** A hard link where that can be, else a copy: the user's file is only read, and stays as it is. */
async function takeFile(userFile: string, folder: string): Promise<DemoFile> {
  const name = basename(userFile);
  if (name.startsWith(".")) throw new Error(`${userFile}: files whose name begins with a dot are not shared`);
  const source = realpathSync(userFile);
  const { size } = statSync(source);
  if (!statSync(source).isFile()) throw new Error(`${userFile} is not a file`);
  const path = join(folder, name);
  try {
    linkSync(source, path);
  } catch {
    copyFileSync(source, path, constants.COPYFILE_FICLONE);
  }
  return { name, sha256: await sha256OfFile(path), sizeBytes: size };
}

/** A file that was just written is offered only after a pause; these were made long ago. */
function settle(path: string): void {
  const anHourAgo = new Date(Date.now() - 3_600_000);
  utimesSync(path, anHourAgo, anHourAgo);
}
