/**
 * Reads files from end to end once, so that the system has them in memory. An index that starts after its machine did
 * would otherwise read its database page by page in the order of questions, which takes disks a hundred times as long.
 */
import { type FileHandle, open } from "node:fs/promises";
import { freemem } from "node:os";
import { searchPathOf } from "./search-database.ts";

const readBytes = 1024 * 1024;

export class WarmUp {
  private isStopped = false;
  private readonly done: Promise<void>;
  private read = 0;

  /** The database of an index, and its full text. What others keep in memory is not to go for it. */
  static ofIndex(path: string): WarmUp {
    return new WarmUp([path, searchPathOf(path)], freemem() / 2);
  }

  /** One after the other, as long as all of a file fits into what is left of `roomBytes`. */
  constructor(paths: readonly string[], roomBytes: number) {
    this.done = this.run(paths, roomBytes);
  }

  /** Resolves once it is over, or stopped; never rejects. Returns how many bytes were read. */
  async ended(): Promise<number> {
    await this.done;
    return this.read;
  }

  stop(): Promise<number> {
    this.isStopped = true;
    return this.ended();
  }

  // --- internal ---

  private async run(paths: readonly string[], roomBytes: number): Promise<void> {
    for (const path of paths) {
      let file: FileHandle | undefined;
      try {
        file = await open(path, "r");
        const { size } = await file.stat();
        if (this.read + size <= roomBytes) await this.readAll(file);
      } catch {
        // Whoever needs the file says what is wrong with it.
      } finally {
        await file?.close();
      }
    }
  }

  private async readAll(file: FileHandle): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(readBytes);
    while (!this.isStopped) {
      const { bytesRead } = await file.read(buffer, 0, readBytes, null);
      if (bytesRead === 0) return;
      this.read += bytesRead;
    }
  }
}
