/**
 * Standard output: the data of a command and nothing else, as JSON lines or as words. Logs, progress and prompts go
 * elsewhere (`log.ts`, `terminal.ts`).
 */
import { LocalIoError, reasonOf, systemCode } from "../errors.ts";
import { withoutKnownSecrets } from "../redaction.ts";
import { eventLines } from "./event-lines.ts";
import type { OutputEvent } from "./events.ts";
import type { Terminal } from "./terminal.ts";

/** What was asked for by name, and is for nobody else's eyes: the one thing that may show a secret. */
function isSecret({ event }: OutputEvent): boolean {
  return event === "link" || event === "token";
}

/** The part of a stream that output needs. */
export interface OutputStream {
  readonly isTTY?: boolean | undefined;
  readonly writableLength: number;
  write(text: string, done: (error?: Error | null) => void): boolean;
  on(event: "error", listener: (error: Error) => void): unknown;
}

export interface OutputOptions {
  stream: OutputStream;
  terminal: Terminal;
  /** Told once when standard output fails (but not when its reader has left): time to stop the command. */
  onFailure?: (error: LocalIoError) => void;
}

/** What may wait for a slow reader before progress events are left out; the next one says more anyway. */
const progressBacklogBytes = 64 * 1024;

export class Output {
  /** JSON lines instead of words. Decided before the first line. */
  json = false;
  private readonly stream: OutputStream;
  private readonly terminal: Terminal;
  private readonly onFailure: ((error: LocalIoError) => void) | undefined;
  private readonly pending = new Set<Promise<void>>();
  /** Said in this turn of the event loop: of thousands of files at once, each would be a write of its own. */
  private unsent = "";
  private closed = false;
  private failed: LocalIoError | undefined;

  constructor(options: OutputOptions) {
    this.stream = options.stream;
    this.terminal = options.terminal;
    this.onFailure = options.onFailure;
    options.stream.on("error", (error) => this.fail(error));
  }

  /** Says `event`: as a JSON line, or as lines for people (none, for some events). */
  event(event: OutputEvent): void {
    if (event.event === "progress" && this.waitingBytes > progressBacklogBytes) return;
    const text = this.json ? JSON.stringify(event) : eventLines(event).join("\n");
    if (text !== "") this.writeText(`${isSecret(event) ? text : withoutKnownSecrets(text)}\n`);
  }

  /** Lines for people only; with `--json` they are left out. Remote text has passed through `printable` before. */
  text(lines: readonly string[]): void {
    if (this.json || lines.length === 0) return;
    this.writeText(`${withoutKnownSecrets(lines.join("\n"))}\n`);
  }

  /** Data that is no event, as it is. Resolves when it has left this process: so that not all of it waits in memory. */
  async data(text: string): Promise<void> {
    this.writeText(text);
    await this.flush();
  }

  /** False when nobody will read what is still written. */
  get isRead(): boolean {
    return !this.closed;
  }

  /** Resolves when all that was written has left this process (or never will). Call it before `process.exit`. */
  async flush(): Promise<void> {
    this.sendAll();
    while (this.pending.size > 0) await Promise.all(this.pending);
  }

  /** Why standard output cannot be written; a reader that has gone is no failure. */
  get failure(): LocalIoError | undefined {
    return this.failed;
  }

  private writeText(text: string): void {
    if (this.closed) return;
    if (this.stream.isTTY) this.terminal.print(text, (some) => this.send(some));
    else this.sendSoon(text);
  }

  /** Texts counted in UTF-16 units: a bound, not an account. */
  private get waitingBytes(): number {
    return this.stream.writableLength + this.unsent.length;
  }

  private sendSoon(text: string): void {
    if (this.unsent === "") queueMicrotask(() => this.sendAll());
    this.unsent += text;
  }

  private sendAll(): void {
    const text = this.unsent;
    this.unsent = "";
    if (text !== "" && !this.closed) this.send(text);
  }

  private send(text: string): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.pending.add(promise);
    const finished = (): void => {
      this.pending.delete(promise);
      resolve();
    };
    try {
      this.stream.write(text, (error) => {
        if (error) this.fail(error);
        finished();
      });
    } catch (error) {
      this.fail(error);
      finished();
    }
  }

  private fail(error: unknown): void {
    if (this.closed) return;
    this.closed = true;
    const code = systemCode(error);
    // The reader has what it wanted: `p2p search x | head -1`.
    if (code === "EPIPE" || code === "ERR_STREAM_DESTROYED") return;
    this.failed = new LocalIoError(`cannot write to standard output: ${reasonOf(error)}`, { cause: error });
    this.onFailure?.(this.failed);
  }
}
