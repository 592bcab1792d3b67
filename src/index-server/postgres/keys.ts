/** 64 bits that stand for a name, a content or an entry in the tables; and lists of values. */
import { lastPart } from "../../wire/file-name.ts";
import { maxNameBytes } from "../../wire/limits.ts";
import type { FileEntry } from "../../wire/messages.ts";

const digest = Buffer.alloc(32);
const sizeAt = 48;
const nameAt = 56;
const message = Buffer.alloc(nameAt + maxNameBytes);

/** A file with what it is stored under. Who finds something by a key compares the text as well. */
export interface KeyedFile {
  file: FileEntry;
  nameKey: string;
  lastKey: string;
  /** Of the row of `entries`: the same for the same name, content and MD5, whoever has it. */
  entry: bigint;
}

export function keyed(file: FileEntry): KeyedFile {
  const { name } = file;
  const nameKey = keyOf(name);
  const lastKey = name.includes("/") ? keyOf(lastPart(name)) : nameKey;
  return { file, nameKey, lastKey, entry: entryKey(file) };
}

/** Nobody makes two texts with the same one, and chance does not either: 10 million have one such pair in 400,000 times. */
export function keyOf(text: string): string {
  Bun.SHA256.hash(text, digest);
  return digest.readBigInt64BE(0).toString();
}

/** Of a hash, as hex. */
export function rootKey(root: string): string {
  return BigInt.asIntN(64, BigInt(`0x${root.slice(0, 16)}`)).toString();
}

function entryKey({ name, sizeBytes, md5, root }: FileEntry): bigint {
  message.write(root, 0, "hex");
  message.write(md5, 32, "hex");
  message.writeBigUInt64BE(BigInt(sizeBytes), sizeAt);
  const end = nameAt + message.write(name, nameAt);
  Bun.SHA256.hash(message.subarray(0, end), digest);
  return digest.readBigInt64BE(0);
}

// --- array parameters, as PostgreSQL writes them ---

/** Of numbers and booleans. */
export function plainArray(values: Iterable<string | number | bigint | boolean>): string {
  return `{${[...values].join(",")}}`;
}

export function textArray(values: Iterable<string>): string {
  const quoted = Array.from(values, (value) => `"${value.replace(/["\\]/g, "\\$&")}"`);
  return `{${quoted.join(",")}}`;
}

/** Of hashes as hex. */
export function bytesArray(values: Iterable<string>): string {
  const quoted = Array.from(values, (hex) => `"\\\\x${hex}"`);
  return `{${quoted.join(",")}}`;
}
