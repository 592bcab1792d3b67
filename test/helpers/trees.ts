/** Folders as a download leaves them: what lies below one, and what is wrong with it. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { JsonEvent } from "./binary-process.ts";
import { type Files, type FinishedQuery, holds } from "./swarm.ts";

/** Names of all files below `folder`, `/`-separated, in order; those of folders without any end in a `/`. */
export function namesBelow(folder: string, prefix = ""): string[] {
  const names: string[] = [];
  for (const part of readdirSync(folder)) {
    const path = join(folder, part);
    if (!statSync(path).isDirectory()) names.push(prefix + part);
    else {
      const inside = namesBelow(path, `${prefix}${part}/`);
      names.push(...(inside.length === 0 ? [`${prefix}${part}/`] : inside));
    }
  }
  return names.sort();
}

/** Without empty folders and what running and killed downloads keep for themselves. */
export function finalNamesBelow(folder: string): string[] {
  return namesBelow(folder).filter((name) => !name.endsWith("/") && !basename(name).startsWith(".p2p-"));
}

/** What is wrong with a folder that should hold these files and nothing else; undefined: nothing. */
export function differenceOf(folder: string, files: Files): string | undefined {
  const [is, should] = [namesBelow(folder), Object.keys(files).sort()];
  const missing = should.filter((name) => !is.includes(name));
  if (missing.length > 0) return `missing: ${missing.slice(0, 5).join(", ")} (${missing.length})`;
  const more = is.filter((name) => !should.includes(name));
  if (more.length > 0) return `more: ${more.slice(0, 5).join(", ")} (${more.length})`;
  return wrongFile(folder, files);
}

/** The first file below `folder` with other bytes than in `files`; missing ones are not wrong. */
export function wrongFile(folder: string, files: Files): string | undefined {
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(folder, name);
    if (!existsSync(path) || holds(path, bytes)) continue;
    return `wrong: ${name}, ${readFileSync(path).length} bytes instead of ${bytes.length}`;
  }
  return undefined;
}

/** Some of them. */
export function filesOf(files: Files, isWanted: (name: string) => boolean): Files {
  return Object.fromEntries(Object.entries(files).filter(([name]) => isWanted(name)));
}

export interface Summary {
  fetched: { files: number; bytes: number };
  alreadyThere: { files: number; bytes: number };
  failed: number;
  resumedBytes: number;
  seconds: number;
  sources: { port: number; bytes: number; badChunks: number; connections: number }[];
}

/** Its `summary` event, which there is exactly once. */
export function summaryOf({ process }: FinishedQuery): Summary {
  const found = eventsOf({ process }, "summary");
  if (found.length !== 1) throw new Error(`${found.length} summaries\n${process.said()}`);
  return found[0] as unknown as Summary;
}

export function eventsOf({ process }: Pick<FinishedQuery, "process">, kind: string): JsonEvent[] {
  return process.events.filter(({ event }) => event === kind);
}

/** What did not come, by its name: how the command would end by it alone. */
export function failuresOf(query: Pick<FinishedQuery, "process">): Record<string, number> {
  const failed = eventsOf(query, "failed");
  return Object.fromEntries(failed.map(({ name, exit }) => [String(name), Number(exit)]));
}
