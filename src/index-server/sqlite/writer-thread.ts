/** The writing thread as the index sees it: requests and their outcomes, and what it tells by itself. */
import { LocalIoError } from "../../errors.ts";
import type { FileEntry } from "../../wire/messages.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { workerUrl } from "../../worker-url.ts";
import { type ChangeType, StoreError } from "../catalog.ts";
import type { FromWriter, Outcome, ToWriter } from "./writer-messages.ts";

export interface WriterListener {
  committed(names: number, removed: readonly number[]): void;
  news(slot: number, files: readonly FileEntry[]): void;
  released(slot: number): void;
  hidden(count: number): void;
  trouble(line: string): void;
  lost(line: string, isDamaged: boolean): void;
}

export interface Opened {
  hiddenSlots: number[];
  names: number;
}

/** For the turn that is running, and to write back the journal. */
const closeMs = 10_000;

export class WriterThread {
  private readonly worker: Worker;
  private readonly opened = Promise.withResolvers<Opened>();
  private readonly closed = Promise.withResolvers<void>();
  private readonly waiting = new Map<number, (outcome: Outcome) => void>();
  /** The answer is under way. */
  private probing: PromiseWithResolvers<string | undefined> | undefined;
  private lastRequest = 0;
  private isClosing = false;

  constructor(
    open: Extract<ToWriter, { kind: "open" }>,
    private readonly listener: WriterListener,
  ) {
    this.worker = new Worker(workerUrl("index-server/sqlite/writer-worker.ts"));
    this.worker.onmessage = ({ data }: MessageEvent<FromWriter>) => this.receive(data);
    // The text of an ErrorEvent is pages of source code; its first line says what happened.
    this.worker.onerror = (event) => this.died(event.message.split("\n", 1)[0] ?? "");
    this.worker.addEventListener("close", () => {
      this.closed.resolve();
      this.died("it ended by itself");
    });
    this.tell(open);
  }

  /** Rejects when it cannot use the database. */
  get ready(): Promise<Opened> {
    return this.opened.promise;
  }

  /** Requests without an outcome. */
  get waitingCount(): number {
    return this.waiting.size;
  }

  /** Returns the request's number, for `forget`. */
  apply(
    change: { slot: number; host: string; type: ChangeType; line: Uint8Array },
    onOutcome: (outcome: Outcome) => void,
  ): number {
    const request = ++this.lastRequest;
    this.waiting.set(request, onOutcome);
    const { buffer, byteLength } = change.line;
    // It goes as it is, unless others have a part of its buffer.
    const line = buffer.byteLength === byteLength ? change.line : new Uint8Array(change.line);
    this.tell({ kind: "apply", request, ...change, line }, [line.buffer as ArrayBuffer]);
    return request;
  }

  /** Its outcome, if there will be one, is of no interest any more. */
  forget(request: number): void {
    this.waiting.delete(request);
  }

  join(slot: number): void {
    this.tell({ kind: "join", slot });
  }

  /** `news` will tell of what of that peer's files may be wanted. */
  survey(slot: number): void {
    this.tell({ kind: "survey", slot });
  }

  leave(slot: number): void {
    this.tell({ kind: "leave", slot });
  }

  /** Why nothing can be written now; undefined: it can. Stays open when the thread does not come to it. */
  probe(): Promise<string | undefined> {
    if (this.probing === undefined) {
      this.probing = Promise.withResolvers();
      this.tell({ kind: "probe" });
    }
    return this.probing.promise;
  }

  /** Never rejects. Resolves when the database is closed, or could not be in time: then the thread is cut off. */
  async close(): Promise<void> {
    if (!this.isClosing) {
      this.isClosing = true;
      this.tell({ kind: "close" });
    }
    // What was committed stays, whenever it is cut off.
    const timer = setTimeout(this.closed.resolve, closeMs);
    await this.closed.promise;
    clearTimeout(timer);
    this.worker.terminate();
  }

  // --- internal ---

  private tell(message: ToWriter, transfer: ArrayBuffer[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  private receive(message: FromWriter): void {
    switch (message.kind) {
      case "opened":
        this.listener.committed(message.names, []);
        this.listener.hidden(message.hiddenSlots.length);
        this.opened.resolve(message);
        return;
      case "outcome": {
        const tell = this.waiting.get(message.request);
        this.waiting.delete(message.request);
        tell?.(message.outcome);
        return;
      }
      case "committed":
        this.listener.committed(message.names, message.removed);
        return;
      case "hidden":
        this.listener.hidden(message.count);
        return;
      case "news":
        this.listener.news(message.slot, message.files);
        return;
      case "released":
        this.listener.released(message.slot);
        return;
      case "trouble":
        this.listener.trouble(message.line);
        return;
      case "damaged":
        this.listener.lost(message.line, true);
        return;
      case "probed":
        this.probing?.resolve(message.problem);
        this.probing = undefined;
        return;
      case "closed":
        this.closed.resolve();
        return;
    }
  }

  private died(reason: string): void {
    this.closed.resolve();
    if (this.isClosing) return;
    this.isClosing = true;
    const line = `the thread that writes the index database failed: ${reason}`;
    this.opened.reject(new LocalIoError(line));
    this.opened.promise.catch(() => {});
    this.listener.lost(line, false);
  }
}

/** What a change that was not applied is rejected with. */
export function errorOf(outcome: Exclude<Outcome, { kind: "applied" }>): Error {
  if (outcome.kind === "refused") return new ProtocolError(outcome.code, outcome.id, outcome.message);
  return new StoreError(outcome.code);
}
