/**
 * The lines typed at the prompt, kept in a file for the next time.
 */
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { reasonOf, systemCode } from "../errors.ts";
import { printable } from "../printable.ts";
import { redacted } from "../redaction.ts";

const maxLines = 1_000;

/** Never throws: a prompt without a past is better than none. `warn` is told once. */
export class History {
  /** Oldest first. */
  readonly lines: string[];
  private readonly path: string | undefined;
  private readonly warn: (message: string) => void;
  private hasFailed = false;

  constructor(path: string | undefined, warn: (message: string) => void) {
    this.path = path;
    this.warn = warn;
    this.lines = path === undefined ? [] : this.load(path);
  }

  /** Written at once, so that nothing is lost however the program ends. */
  add(line: string): void {
    if (line === this.lines.at(-1)) return;
    // A link or a token that was pasted into the wrong window.
    if (redacted(line) !== line) return;
    this.lines.push(line);
    if (this.path === undefined || this.hasFailed) return;
    try {
      // For its owner alone: names of files can be private.
      mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
      appendFileSync(this.path, `${line}\n`, { mode: 0o600 });
    } catch (error) {
      this.fail(this.path, error);
    }
  }

  private load(path: string): string[] {
    try {
      const lines = readFileSync(path, "utf8")
        .split("\n")
        .filter((line) => line !== "");
      const kept = lines.slice(-maxLines);
      if (lines.length > maxLines) {
        writeFileSync(`${path}.new`, `${kept.join("\n")}\n`, { mode: 0o600 });
        renameSync(`${path}.new`, path);
      }
      return kept;
    } catch (error) {
      if (systemCode(error) !== "ENOENT") this.fail(path, error);
      return [];
    }
  }

  private fail(path: string, error: unknown): void {
    this.hasFailed = true;
    this.warn(`the history of the prompt is not kept in ${printable(path, 500)}: ${reasonOf(error)}`);
  }
}
