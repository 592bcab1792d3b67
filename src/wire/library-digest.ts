/**
 * What a peer shares, in 16 bytes that it and the index compute alike, whatever the order, and keep up to date with
 * each file that comes or goes: the XOR over all files of the first half of a SHA-256 each (PROTOCOL.md, REGISTER).
 * Pure. Which files those are is the caller's to know: the same file twice is as if it was never there.
 */
import { maxNameBytes } from "./limits.ts";
import type { LibraryClaim } from "./messages.ts";

/** A `FileEntry`, or the same with hashes as bytes. */
export interface DigestedFile {
  name: string;
  sizeBytes: number;
  md5: string | Uint8Array;
  root: string | Uint8Array;
  partial?: boolean;
}

export const digestBytes = 16;

/** Where the fields of a file stand in what is hashed. */
const md5At = 32;
const sizeAt = 48;
const partialAt = 56;
const nameAt = 57;

/** One for all, since nothing is kept in it: a million files take a second, of which allocating would be half. */
const message = Buffer.alloc(nameAt + maxNameBytes);
/** `message` up to each length that was needed so far. */
const messagesByLength: Uint8Array[] = [];
const hash = new Uint32Array(8);
const hashRoom = new Uint8Array(hash.buffer);

export class LibraryDigest {
  private readonly sum = new Uint32Array(digestBytes / 4);
  private files = 0;

  /** Of a library whose digest was computed before. */
  static of(digest: Uint8Array, count: number): LibraryDigest {
    const made = new LibraryDigest();
    made.set(digest, count);
    return made;
  }

  /** Of files. */
  get count(): number {
    return this.files;
  }

  get hex(): string {
    return Buffer.from(this.sum.buffer).toString("hex");
  }

  /** A copy. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.sum.buffer.slice(0));
  }

  /** As REGISTER says it. */
  get claim(): LibraryClaim {
    return { digest: this.hex, files: this.files };
  }

  /** Whether it describes just this. */
  is(claim: LibraryClaim): boolean {
    return this.files === claim.files && this.hex === claim.digest;
  }

  /** It must not be in already. */
  add(file: DigestedFile): void {
    this.files++;
    this.mix(file);
  }

  /** As it was added. */
  remove(file: DigestedFile): void {
    this.files--;
    this.mix(file);
  }

  /** To what it was before. */
  set(digest: Uint8Array, count: number): void {
    new Uint8Array(this.sum.buffer).set(digest);
    this.files = count;
  }

  clear(): void {
    this.files = 0;
    this.sum.fill(0);
  }

  private mix(file: DigestedFile): void {
    hashFile(file);
    const { sum } = this;
    sum[0]! ^= hash[0]!;
    sum[1]! ^= hash[1]!;
    sum[2]! ^= hash[2]!;
    sum[3]! ^= hash[3]!;
  }
}

/** Into `hash`. */
function hashFile({ name, sizeBytes, md5, root, partial }: DigestedFile): void {
  put(root, 0);
  put(md5, md5At);
  message.writeUInt32BE(Math.floor(sizeBytes / 2 ** 32), sizeAt);
  message.writeUInt32BE(sizeBytes % 2 ** 32, sizeAt + 4);
  message[partialAt] = partial === true ? 1 : 0;
  const length = nameAt + message.write(name, nameAt);
  messagesByLength[length] ??= message.subarray(0, length);
  Bun.SHA256.hash(messagesByLength[length], hashRoom);
}

function put(bytes: string | Uint8Array, at: number): void {
  if (typeof bytes === "string") message.write(bytes, at, "hex");
  else message.set(bytes, at);
}
