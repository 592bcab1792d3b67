/** What is said to an index, as lines, and files of such lines for the load client. */
import { writeFileSync } from "node:fs";
import {
  Chance,
  plantedNames,
  popularNames,
  type Shape,
  type SharedFile,
  uniqueFile,
  uniqueFiles,
} from "./catalogue.ts";

export const hello = JSON.stringify({ type: "HELLO", version: 1, agent: "bench" });

/** The most that the protocol allows in one line. */
export const filesPerFrame = 2_000;

export function registerLine(port: number, files: readonly SharedFile[]): string {
  return `${JSON.stringify({ type: "REGISTER", id: 1, port, files })}\n`;
}

export function updateLine(id: number, add: readonly SharedFile[]): string {
  return `${JSON.stringify({ type: "UPDATE", id, add, remove: [] })}\n`;
}

/** A REGISTER and as many UPDATEs as it takes. */
export function registrationLines(port: number, files: readonly SharedFile[]): string[] {
  const lines = [registerLine(port, files.slice(0, filesPerFrame))];
  for (let from = filesPerFrame; from < files.length; from += filesPerFrame) {
    lines.push(updateLine(lines.length + 1, files.slice(from, from + filesPerFrame)));
  }
  return lines;
}

export function queryLine(name: string): string {
  return `${JSON.stringify({ type: "QUERY", id: 1, name })}\n`;
}

export function searchLine(text: string, limit = 50): string {
  return `${JSON.stringify({ type: "SEARCH", id: 1, text, limit })}\n`;
}

/** Files that nobody else has, registered by one peer. */
export function writeRegistration(path: string, port: number, from: number, count: number): void {
  const output = Bun.file(path).writer();
  // Made piece by piece, because a million files are 200 MB.
  for (let done = 0; done < count; done += filesPerFrame) {
    const files = uniqueFiles(from + done, Math.min(filesPerFrame, count - done));
    output.write(done === 0 ? registerLine(port, files) : updateLine(done, files));
    output.flush();
  }
  output.end();
}

const requestCount = 20_000;

/** QUERYs of planted names that so many peers have. */
export function writePlantedQueries(path: string, shape: Shape, sources: number): void {
  const chance = new Chance(sources, 21);
  const names = Array.from({ length: requestCount }, () =>
    chance.pick(plantedNames(chance.below(shape.peers), sources)),
  );
  writeLines(path, names.map(queryLine));
}

/** QUERYs of what the first `peers` have, popular files more often. */
export function writePopularQueries(path: string, shape: Shape, peers = shape.peers): void {
  writeLines(path, popularNames(new Chance(1, 22), shape, requestCount, peers).map(queryLine));
}

export type SearchKind = "one word" | "two words" | "infix of 5 letters" | "no hit";
export const searchKinds: readonly SearchKind[] = ["one word", "two words", "infix of 5 letters", "no hit"];

const searchCount = 2_000;

/** SEARCHes for parts of names among the unique files 0 to `files`. */
export function writeSearches(path: string, kind: SearchKind, files: number): void {
  const chance = new Chance(searchKinds.indexOf(kind), 23);
  const lines: string[] = [];
  while (lines.length < searchCount) {
    const text = searchText(kind, uniqueFile(chance.below(files)).name, chance);
    if (text !== undefined) lines.push(searchLine(text));
  }
  writeLines(path, lines);
}

/** undefined when the name has no such part. */
function searchText(kind: SearchKind, name: string, chance: Chance): string | undefined {
  const words = name
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter(({ length }) => length > 3);
  if (words.length === 0) return undefined;
  const first = chance.pick(words);
  if (kind === "one word") return first;
  if (kind === "no hit") return `${first}qx${chance.below(1_000)}`;
  if (kind === "two words") {
    const second = chance.pick(words);
    return first === second ? undefined : `${first} ${second}`;
  }
  // From inside of a word, so that no prefix finds it.
  return first.length < 7 ? undefined : first.slice(1, 6);
}

export function writeLines(path: string, lines: readonly string[]): void {
  writeFileSync(path, lines.join(""));
}
