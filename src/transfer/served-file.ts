/**
 * One shared file, open for serving: its bytes, and the certainty that they are those that were hashed.
 *
 * - Device, inode, size and mtime are compared after every read: whatever was written since the hashing shows. No byte
 *   that was read is given out of which it is not known at that moment.
 * - A changed ctime alone (a link was made, permissions changed, times set back) costs only the trust in the
 *   hashes: the file must still be where it was, and chunks are hashed again before they are sent.
 * - Hashes of an earlier run are not trusted either until the chunk was hashed once in this one, unless the ctime
 *   proves that nobody wrote to the file (`library/ctime.ts`).
 * - The kernel may send a range by itself (`descriptorFor`) but for its end, which is read: so nobody gets a chunk whole
 *   unless the file was unchanged after all of it had been handed to the socket. Until it has arrived, what was handed
 *   over are still the pages of the file: who writes to them later changes what arrives. Then the downloader finds that
 *   the chunk has another hash, and the next request finds that the file has changed.
 *
 * Read with `readSync`, never mapped: a file that shrinks under a mapping kills the process.
 */
import { closeSync, fstatSync, readSync } from "node:fs";
import { Bitfield } from "../content/bitfield.ts";
import { chunkCountOf, chunkLength, chunkOffset } from "../content/chunks.ts";
import { ChunkHasher, hashBytes } from "../content/merkle.ts";
import { type FileIdentity, identityOf, sameContentIdentity } from "../library/file-identity.ts";
import { hashPairsFor } from "../library/hash-pairs.ts";
import { openInside } from "../library/open-inside.ts";
import type { WalkedFolder } from "../library/walked-folder.ts";
import { chunkBytes } from "../wire/limits.ts";
import type { ServedContent } from "./served-content.ts";

export interface ServedFileOptions {
  /** The shared folder, as `realpath` gives it: no link is followed, neither on the way to it nor below. */
  folder: string;
  /** Absolute, below `folder`. */
  path: string;
  /** As it was when it was hashed, or as it is now when the hashes are not trusted. */
  identity: FileIdentity;
  root: string;
  sizeBytes: number;
  chunkHashes: Uint8Array;
  /** The file was hashed with that very identity, and any write since would have moved its ctime. */
  trusted: boolean;
}

/** Somebody who touches the file faster than it can be read cannot be served. */
const maxAttempts = 3;

const hasher = new ChunkHasher();
/** One for the thread: a chunk is read and hashed without a pause in between. */
const scratch = new Uint8Array(chunkBytes);

export class ServedFile implements ServedContent {
  /** Chunks whose hash was checked since the last doubt; undefined while nothing is in doubt. */
  private checked: Bitfield | undefined;
  private ctimeNs: bigint;

  private constructor(
    private readonly fd: number,
    readonly options: ServedFileOptions,
  ) {
    this.ctimeNs = options.identity.ctimeNs;
    this.checked = options.trusted ? undefined : this.nothingChecked();
  }

  /** Undefined when the path no longer leads to the file that was hashed. For `walked` see `openInside`. */
  static open(options: ServedFileOptions, walked?: WalkedFolder): ServedFile | undefined {
    let fd: number | undefined;
    try {
      fd = openInside(options.folder, options.path, walked && { walked });
    } catch {
      // Whatever the reason, its bytes cannot be had here now, which is all that matters to who asked.
      return undefined;
    }
    if (fd === undefined) return undefined;
    const file = new ServedFile(fd, options);
    if (file.orFalse(() => file.isUnchanged())) return file;
    file.close();
    return undefined;
  }

  read(into: Uint8Array, offset: number): boolean {
    return this.orFalse(() => this.tryToRead(into, offset));
  }

  descriptorFor(offset: number, length: number): number | undefined {
    return this.orFalse(() => this.isReady(offset, length)) ? this.fd : undefined;
  }

  close(): void {
    closeSync(this.fd);
  }

  private isReady(offset: number, length: number): boolean {
    return this.isUnchanged() && (this.checked === undefined || this.checkChunks(offset, length));
  }

  private tryToRead(into: Uint8Array, offset: number): boolean {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const doubt = this.checked;
      if (doubt !== undefined && !this.checkChunks(offset, into.length)) return false;
      if (!this.fill(into, offset)) return false;
      if (this.checked === doubt) return true;
    }
    return false;
  }

  /** A disk that fails, or a path that cannot be followed any more: the bytes cannot be had, whatever the reason. */
  private orFalse(look: () => boolean): boolean {
    try {
      return look();
    } catch {
      return false;
    }
  }

  private nothingChecked(): Bitfield {
    return new Bitfield(chunkCountOf(this.options.sizeBytes));
  }

  private fill(into: Uint8Array, offset: number): boolean {
    let filled = 0;
    while (filled < into.length) {
      const read = readSync(this.fd, into, filled, into.length - filled, offset + filled);
      if (read === 0) return false;
      filled += read;
    }
    return this.isUnchanged();
  }

  private isUnchanged(): boolean {
    const stats = fstatSync(this.fd, { bigint: true });
    const identity = identityOf(stats);
    if (!stats.isFile() || !sameContentIdentity(identity, this.options.identity)) return false;
    if (identity.ctimeNs === this.ctimeNs) return true;
    if (!this.isStillThere(identity)) return false;
    this.ctimeNs = identity.ctimeNs;
    this.checked = this.nothingChecked();
    return true;
  }

  private isStillThere({ dev, ino }: FileIdentity): boolean {
    const fd = openInside(this.options.folder, this.options.path);
    if (fd === undefined) return false;
    try {
      const there = fstatSync(fd, { bigint: true });
      return there.ino === ino && there.dev === dev;
    } finally {
      closeSync(fd);
    }
  }

  private checkChunks(offset: number, length: number): boolean {
    for (let chunk = Math.floor(offset / chunkBytes); chunkOffset(chunk) < offset + length; chunk++) {
      // The doubt of now: when a new one comes while the chunk is hashed, it has to be hashed again.
      const { checked } = this;
      if (checked === undefined || checked.has(chunk)) continue;
      if (!this.isRight(chunk)) return false;
      checked.add(chunk);
    }
    return true;
  }

  private isRight(chunk: number): boolean {
    const { root, sizeBytes, chunkHashes } = this.options;
    const block = scratch.subarray(0, chunkLength(chunk, sizeBytes));
    if (!this.fill(block, chunkOffset(chunk))) return false;
    hasher.hashPairs = hashPairsFor(block.length);
    hasher.update(block);
    const alone = chunkCountOf(sizeBytes) === 1;
    const wanted = alone
      ? Buffer.from(root, "hex")
      : chunkHashes.subarray(chunk * hashBytes, (chunk + 1) * hashBytes);
    return Buffer.compare(hasher.finish(alone), wanted) === 0;
  }
}
