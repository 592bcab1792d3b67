/**
 * A content that this process is downloading itself, as far as it has been verified. Nobody else writes to it, so what
 * was verified needs no second look; the file belongs to the download and is neither opened nor closed here.
 */
import { readSync } from "node:fs";
import type { ServedContent } from "./served-content.ts";

export class PartialContent implements ServedContent {
  constructor(private readonly fd: number) {}

  read(into: Uint8Array, offset: number): boolean {
    try {
      for (let filled = 0; filled < into.length; ) {
        const read = readSync(this.fd, into, filled, into.length - filled, offset + filled);
        if (read === 0) return false;
        filled += read;
      }
      return true;
    } catch {
      // The disk fails: these bytes cannot be had here.
      return false;
    }
  }

  descriptorFor(): number {
    return this.fd;
  }

  close(): void {}
}
