/** How many had a content when it was last asked for, and who has come since: for whoever is told of new sources. */
import type { FileEntry, FoundContent } from "../../wire/messages.ts";

const maxContents = 100_000;

interface Content {
  root: string;
  sizeBytes: number;
}

export class KeptTotals {
  private readonly totals = new Map<string, number>();

  get(content: Content): number {
    return this.totals.get(keyOf(content)) ?? 0;
  }

  found(contents: readonly FoundContent[]): void {
    for (const content of contents) this.set(keyOf(content), content.total);
  }

  came(files: readonly FileEntry[]): void {
    for (const file of files) {
      const key = keyOf(file);
      this.set(key, (this.totals.get(key) ?? 0) + 1);
    }
  }

  // --- internal ---

  private set(key: string, total: number): void {
    if (this.totals.size >= maxContents) this.totals.clear();
    this.totals.set(key, total);
  }
}

function keyOf({ root, sizeBytes }: Content): string {
  return `${root} ${sizeBytes}`;
}
