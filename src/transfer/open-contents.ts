/**
 * The contents that one upload worker has open: found through the uploader once, shared by all connections, and
 * closed when nobody has read from them for a while (an open file keeps its disk space after it is deleted).
 */
import { ServedFile, type ServedFileOptions } from "./served-file.ts";

/** The security limits' number of open files. */
const maxOpen = 64;
const idleMs = 5_000;

export class OpenContents {
  /** In the order of their last use. */
  private readonly files = new Map<string, { file: ServedFile; usedMs: number }>();
  private readonly asked = new Map<string, ((file: ServedFile | undefined) => void)[]>();

  constructor(
    private readonly ask: (root: string) => void,
    private readonly changed: (path: string) => void,
  ) {}

  /** Calls back at once when it is open, else when the uploader has answered. Undefined: not here. */
  find(root: string, nowMs: number, found: (file: ServedFile | undefined) => void): void {
    const open = this.get(root, nowMs);
    if (open !== undefined) {
      found(open);
      return;
    }
    const waiting = this.asked.get(root);
    if (waiting !== undefined) {
      waiting.push(found);
      return;
    }
    this.asked.set(root, [found]);
    this.ask(root);
  }

  /** The file when it is (still) open. */
  get(root: string, nowMs: number): ServedFile | undefined {
    const entry = this.files.get(root);
    if (entry === undefined) return undefined;
    entry.usedMs = nowMs;
    this.files.delete(root);
    this.files.set(root, entry);
    return entry.file;
  }

  /** The uploader's answer. */
  answer(root: string, content: ServedFileOptions | undefined, nowMs: number): void {
    const waiting = this.asked.get(root) ?? [];
    this.asked.delete(root);
    const file = content === undefined ? undefined : ServedFile.open(content);
    if (file !== undefined) this.keep(root, file, nowMs);
    else if (content !== undefined) this.changed(content.path);
    for (const found of waiting) found(file);
  }

  /** Its bytes are not what they were: nobody gets them again before the uploader has been asked. */
  drop(root: string): void {
    const entry = this.files.get(root);
    if (entry === undefined) return;
    this.close(root);
    this.changed(entry.file.options.path);
  }

  closeIdle(nowMs: number): void {
    for (const [root, { usedMs }] of this.files) if (nowMs - usedMs > idleMs) this.close(root);
  }

  closeAll(): void {
    for (const root of [...this.files.keys()]) this.close(root);
  }

  private keep(root: string, file: ServedFile, nowMs: number): void {
    if (this.files.size >= maxOpen) {
      const oldest = this.files.keys().next().value;
      if (oldest !== undefined) this.close(oldest);
    }
    this.files.set(root, { file, usedMs: nowMs });
  }

  private close(root: string): void {
    this.files.get(root)?.file.close();
    this.files.delete(root);
  }
}
