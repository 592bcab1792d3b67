/**
 * How many connections the system's limit of open files leaves room for. At the limit an accept fails again and
 * again and keeps a core busy, and the database cannot be opened either: so it must never be reached.
 */
import { readFileSync } from "node:fs";

/** Files of our own: databases, logs, shared files being read. */
const reserve = 32;

/** At most `wanted`, and at most two thirds of the open files that this process may have. */
export function connectionsWithin(wanted: number, openFiles: number = openFileLimit()): number {
  return Math.max(1, Math.min(wanted, Math.floor((openFiles * 2) / 3) - reserve));
}

/** Infinity where the system does not say. (Bun has raised the soft limit to the hard one by itself.) */
export function openFileLimit(): number {
  if (process.platform !== "linux") return Number.POSITIVE_INFINITY;
  const line = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return line === null ? Number.POSITIVE_INFINITY : Number(line[1]);
}
