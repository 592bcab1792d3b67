/** Writes a BitTorrent v1 metainfo file, so that the clients that are compared need no tool of their own for it. */
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Payload, pathOf } from "./payload.ts";

export interface TorrentOptions {
  pieceBytes: number;
  tracker?: string;
}

export function writeTorrent(payload: Payload, path: string, options: TorrentOptions): void {
  const { name, bytes, files } = payload;
  const each = files === undefined ? 0 : bytes / files.length;
  const info = {
    ...(files === undefined
      ? { length: bytes }
      : { files: files.map((file) => ({ length: each, path: [file] })) }),
    name,
    "piece length": options.pieceBytes,
    pieces: pieceHashes(payload, options.pieceBytes),
  };
  const announce = options.tracker === undefined ? {} : { announce: options.tracker };
  writeFileSync(path, bencode({ ...announce, info }));
}

type Bencodable = number | string | Buffer | readonly Bencodable[] | { [key: string]: Bencodable };

export function bencode(value: Bencodable): Buffer {
  if (typeof value === "number") return Buffer.from(`i${value}e`);
  if (typeof value === "string") return bencode(Buffer.from(value));
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`${value.length}:`), value]);
  if (isList(value)) return Buffer.concat([Buffer.from("l"), ...value.map(bencode), Buffer.from("e")]);
  const keys = Object.keys(value).sort();
  const parts = keys.flatMap((key) => [bencode(key), bencode(value[key]!)]);
  return Buffer.concat([Buffer.from("d"), ...parts, Buffer.from("e")]);
}

function isList(value: Bencodable): value is readonly Bencodable[] {
  return Array.isArray(value);
}

/** Pieces run on from one file into the next. */
function pieceHashes(payload: Payload, pieceBytes: number): Buffer {
  const hashes: Buffer[] = [];
  let hash = new Bun.CryptoHasher("sha1");
  let filled = 0;
  for (const block of blocks(payload, pieceBytes)) {
    for (let at = 0; at < block.length; ) {
      const taken = block.subarray(at, at + pieceBytes - filled);
      hash.update(taken);
      at += taken.length;
      filled += taken.length;
      if (filled < pieceBytes) continue;
      hashes.push(hash.digest());
      hash = new Bun.CryptoHasher("sha1");
      filled = 0;
    }
  }
  if (filled > 0) hashes.push(hash.digest());
  return Buffer.concat(hashes);
}

/** The SHA-256 of every piece of a single file, in hex: what a Metalink holds. */
export function sha256OfPieces(payload: Payload, pieceBytes: number): string[] {
  const hashes: string[] = [];
  // One by one: the next block comes in the same memory.
  for (const block of blocks(payload, pieceBytes)) hashes.push(Bun.CryptoHasher.hash("sha256", block, "hex"));
  return hashes;
}

function* blocks(payload: Payload, blockBytes: number): Generator<Buffer> {
  const block = Buffer.allocUnsafe(blockBytes);
  const whole = pathOf(payload);
  for (const path of payload.files?.map((file) => join(whole, file)) ?? [whole]) {
    const descriptor = openSync(path, "r");
    try {
      for (let length = 1; length > 0; ) {
        length = readSync(descriptor, block, 0, blockBytes, null);
        if (length > 0) yield block.subarray(0, length);
      }
    } finally {
      closeSync(descriptor);
    }
  }
}
