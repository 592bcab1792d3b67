/**
 * Hashes one file from start to end, piece by piece: reads, feeds the tree and MD5, and tells in the end what was
 * read, or that it was not one content. Which files are hashed side by side is the business of `hash-worker.ts`.
 */
import { closeSync, fstatSync, readSync } from "node:fs";
import type { Md5Streams } from "../content/md5-streams.ts";
import { ContentHasher } from "../content/merkle.ts";
import { type FileIdentity, identityOf, sameContentIdentity } from "./file-identity.ts";
import type { HashOutcome } from "./hash-messages.ts";
import { hashPairsFor } from "./hash-pairs.ts";

const changed: HashOutcome = { kind: "changed" };

export class FileHashing {
  bytesRead = 0;
  private readonly tree: ContentHasher;
  private ended = false;

  private constructor(
    private readonly file: number,
    private readonly identity: FileIdentity,
    private readonly md5: Md5Streams,
    private readonly stream: number,
    alone: boolean,
  ) {
    const { sizeBytes } = identity;
    this.tree = new ContentHasher(sizeBytes, hashPairsFor(sizeBytes));
    md5.begin(stream, alone);
  }

  /**
   * Of an open file, which it closes in the end, in a stream that nobody else uses till then. Undefined, and the
   * file closed, when it is no regular file. `alone`: no other is being hashed beside it, or about to be.
   */
  static begin(file: number, md5: Md5Streams, stream: number, alone: boolean): FileHashing | undefined {
    let begun: FileHashing | undefined;
    try {
      const stats = fstatSync(file, { bigint: true });
      if (stats.isFile()) begun = new FileHashing(file, identityOf(stats), md5, stream, alone);
      return begun;
    } finally {
      if (begun === undefined) closeSync(file);
    }
  }

  /** Reads on as soon as MD5 is through with what was read before; the outcome when there is one. */
  proceed(): HashOutcome | undefined {
    if (this.md5.isPending(this.stream)) return undefined;
    if (this.ended) return this.finish();
    const area = this.md5.areas[this.stream]!;
    const length = this.fill(area);
    this.tree.update(length === area.length ? area : area.subarray(0, length));
    this.bytesRead += length;
    if (this.bytesRead > this.identity.sizeBytes) return changed;
    this.ended = length < area.length;
    if (this.ended && !this.isUnchanged()) return changed;
    this.md5.append(this.stream, length, this.ended);
    return undefined;
  }

  close(): void {
    closeSync(this.file);
  }

  /** Fewer bytes than there is room for only at the end of the file. */
  private fill(area: Uint8Array): number {
    let filled = 0;
    while (filled < area.length) {
      const length = readSync(this.file, area, filled, area.length - filled, null);
      if (length === 0) break;
      filled += length;
    }
    return filled;
  }

  private isUnchanged(): boolean {
    const now = identityOf(fstatSync(this.file, { bigint: true }));
    return this.bytesRead === this.identity.sizeBytes && sameContentIdentity(this.identity, now);
  }

  private finish(): HashOutcome {
    const { root, chunkHashes } = this.tree.finish();
    const md5 = this.md5.digest(this.stream);
    return { kind: "hashed", hashes: { identity: this.identity, md5, root: root.toHex(), chunkHashes } };
  }
}
