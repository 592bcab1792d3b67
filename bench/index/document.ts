/** What was measured, kept from one call to the next, and its place in docs/BENCHMARKS.md. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../../scripts/project.ts";

/** Not part of the repository. */
export const resultsFolder = join(projectFolder, "bench", "results", "index");
const documentPath = join(projectFolder, "docs", "BENCHMARKS.md");

const begin = "<!-- bench:index begins: written by `bun run bench:index -- --write` -->";
const end = "<!-- bench:index ends -->";

const preamble = `\`bun run bench:index\` measures \`p2p serve-index\` on Linux (Debian: \`apt-get install gcc libc6-dev redis-server
postgresql-15\`), \`-- query search --runs 5\` a part of it, and \`-- report --write\` puts what was measured here. What every
figure rests on:

- One client in C (\`bench/index/load.c\`) for all servers, on the same machine as they are, over loopback: a _closed_ loop,
  where each answer makes the next request, or an _open_ one at a fixed rate, where a time counts from when the request was
  due. It counts answers and reads no JSON; an answer that is an error ends the measurement.
- A made-up network that is the same in each run: names of 43 characters in the mean, popularity by Zipf's law with the
  exponent 0.7, and planted names of which it is known how many peers have them. Each peer is a connection that stays.
- Programs run in turn, and ratios are of the same round. The median counts, the range is in brackets. A round during which
  others used more than 0.3 of a core is repeated; where there are only such rounds, it says **disturbed**.
- MB are millions of bytes. Client and servers share the cores, so that no figure is what a server alone could do.`;

/** The tables of those parts that were run, in this order. */
export function savedReport(names: readonly string[]): string {
  const sections = names.map((name) => join(resultsFolder, `${name}.md`)).filter((path) => existsSync(path));
  return [preamble, ...sections.map((path) => readFileSync(path, "utf8").trim())].join("\n\n");
}

export function writeIntoDocument(names: readonly string[]): void {
  const document = readFileSync(documentPath, "utf8");
  writeFileSync(documentPath, withIndexReport(document, savedReport(names)));
}

/** Replaces what an earlier run wrote, or adds a part at the end. Pure. */
export function withIndexReport(document: string, report: string): string {
  const block = `${begin}\n\n${report}\n\n${end}`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from === -1 || to < from) return `${document.trimEnd()}\n\n## The index at scale\n\n${block}\n`;
  return document.slice(0, from) + block + document.slice(to + end.length);
}
