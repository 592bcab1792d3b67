/** How many had a content when it was last asked for, and who has come since: for whoever is told of new sources. */
import type { FileEntry, FoundContent } from "../../wire/messages.ts";

const maxContents = 100_000;

interface Content {
  root: string;
  sizeBytes: number;
}

export class KeptTotals {
  private readonly totals = new Map<string, number>();

  get({ root, sizeBytes }: Content): number {
    return this.totals.get(`${root} ${sizeBytes}`) ?? 0;
  }

  found(contents: readonly FoundContent[]): void {
    for (const content of contents) this.set(content, content.total);
  }

  came(files: readonly FileEntry[]): void {
    for (const file of files) this.set(file, this.get(file) + 1);
  }

  // --- internal ---

  private set({ root, sizeBytes }: Content, total: number): void {
    if (this.totals.size >= maxContents) this.totals.clear();
    this.totals.set(`${root} ${sizeBytes}`, total);
  }
}
