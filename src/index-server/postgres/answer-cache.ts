/**
 * Finished answers to QUERY, for as long as nobody can notice that they are not new: what changes here ends them at
 * once, what changes at another process within half a second.
 */
import { lastPart } from "../../wire/file-name.ts";
import type { FileEntry, FoundContent } from "../../wire/messages.ts";

interface Answer {
  /** Of a RESULT line. */
  end: Uint8Array;
  madeMs: number;
  roots: string[];
}

export const answerMs = 500;
const maxAnswers = 10_000;
const maxBytes = 32 * 1024 * 1024;

export class AnswerCache {
  private readonly answers = new Map<string, Answer>();
  private readonly namesByRoot = new Map<string, Set<string>>();
  private bytes = 0;
  /** Goes on with every change: what was asked before one is not kept after it. */
  generation = 0;

  get(name: string, nowMs: number): Uint8Array | undefined {
    const answer = this.answers.get(name);
    if (answer === undefined) return undefined;
    if (nowMs - answer.madeMs <= answerMs) return answer.end;
    this.drop(name);
    return undefined;
  }

  /** `generation` and `nowMs` as they were when the question was put. */
  put(
    name: string,
    end: Uint8Array,
    contents: readonly FoundContent[],
    generation: number,
    nowMs: number,
  ): void {
    if (generation !== this.generation) return;
    this.drop(name);
    if (this.answers.size >= maxAnswers || this.bytes + end.length > maxBytes) this.clear();
    const roots = contents.map(({ root }) => root);
    this.answers.set(name, { end, madeMs: nowMs, roots });
    this.bytes += end.length;
    for (const root of roots) {
      const names = this.namesByRoot.get(root);
      if (names === undefined) this.namesByRoot.set(root, new Set([name]));
      else names.add(name);
    }
  }

  /** These have come, and nothing has gone. */
  came(files: Iterable<FileEntry>): void {
    this.generation++;
    if (this.answers.size === 0) return;
    for (const { name, root } of files) {
      this.drop(name);
      this.drop(lastPart(name));
      for (const other of this.namesByRoot.get(root) ?? []) this.drop(other);
    }
  }

  clear(): void {
    this.generation++;
    this.answers.clear();
    this.namesByRoot.clear();
    this.bytes = 0;
  }

  // --- internal ---

  private drop(name: string): void {
    const answer = this.answers.get(name);
    if (answer === undefined) return;
    this.answers.delete(name);
    this.bytes -= answer.end.length;
    for (const root of answer.roots) {
      const names = this.namesByRoot.get(root);
      names?.delete(name);
      if (names?.size === 0) this.namesByRoot.delete(root);
    }
  }
}
