/** What was measured, kept from one call to the next, and its place in docs/BENCHMARKS.md. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../../scripts/project.ts";

/** Not part of the repository. */
export const resultsFolder = join(projectFolder, "bench", "results", "transfer");
const documentPath = join(projectFolder, "docs", "BENCHMARKS.md");

const begin = "<!-- bench:transfer begins: written by `bun run bench:transfer -- --write` -->";
const end = "<!-- bench:transfer ends -->";

const preamble = `p2p beside the programs that people use for the same. \`bun run bench:transfer\` runs all of it as root on Linux
(Debian: \`apt-get install curl nginx-light aria2 rsync iperf3 python3-libtorrent\`), \`-- one three --runs 5\` a part of it,
and \`-- report --write\` puts what was measured here. What every figure rests on:

- Everything is in memory (\`/dev/shm\`), client and server on one machine, in a network namespace of its own with one
  TCP congestion control for all: over loopback, or for crowds between hosts of their own on a bridge.
- Every output is compared with the original, byte for byte. Before each run as much memory is touched as it will
  write, because a virtual machine pays several times more for pages that it had given back to its host.
- Programs run in turn, and the median counts. A run during which others used more than 0.3 of a core is repeated;
  where there are only such runs, it says **disturbed**.
- Time is from the start of the first downloader until the last one has everything: for whole commands until they end.
  The start of libtorrent's Python is left out. CPU seconds are of one downloader, and of all sources together;
  memory is the most that one of them had, with mapped file pages, and what of it is no file.`;

/** The tables of those experiments that were run, in this order. */
export function savedReport(names: readonly string[]): string {
  const sections = names.map((name) => join(resultsFolder, `${name}.md`)).filter((path) => existsSync(path));
  return [preamble, ...sections.map((path) => readFileSync(path, "utf8").trim())].join("\n\n");
}

export function writeIntoDocument(names: readonly string[]): void {
  const document = readFileSync(documentPath, "utf8");
  writeFileSync(documentPath, withReport(document, savedReport(names)));
}

/** Replaces what an earlier run wrote, or adds a part at the end. Pure. */
export function withReport(document: string, report: string): string {
  const block = `${begin}\n\n${report}\n\n${end}`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from === -1 || to < from) return `${document.trimEnd()}\n\n## Side by side with others\n\n${block}\n`;
  return document.slice(0, from) + block + document.slice(to + end.length);
}
