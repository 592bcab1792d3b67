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

export type AppliedOutcome = Extract<Outcome, { kind: "applied" }>;

/** For the outcome of a request. */
interface Waiting {
  owner: object;
  applied(outcome: AppliedOutcome): void;
  reject(error: Error): void;
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
  /** By the numbers of requests. */
  private readonly waiting = new Map<number, Waiting>();
  private readonly byOwner = new Map<object, Set<number>>();
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

  /**
   * Rejects when it is refused or fails, or is given up. What is applied becomes what `onApplied` makes of it, before the
   * thread's next message is looked at.
   */
  apply<Result>(
    owner: object,
    change: { slot: number; host: string; type: ChangeType; line: Uint8Array },
    onApplied: (outcome: AppliedOutcome) => Result,
  ): Promise<Result> {
    const request = ++this.lastRequest;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.waiting.set(request, { owner, applied: (outcome) => resolve(onApplied(outcome)), reject });
    const own = this.byOwner.get(owner) ?? new Set();
    this.byOwner.set(owner, own.add(request));
    const { buffer, byteLength } = change.line;
    // It goes as it is, unless others have a part of its buffer.
    const line = buffer.byteLength === byteLength ? change.line : new Uint8Array(change.line);
    this.tell({ kind: "apply", request, ...change, line }, [line.buffer as ArrayBuffer]);
    return promise;
  }

  /** The outcomes of its requests, if there will be any, are of no interest any more. */
  giveUp(owner: object): void {
    for (const request of this.byOwner.get(owner) ?? []) this.take(request)?.reject(new StoreError("RETRY"));
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
    for (const owner of [...this.byOwner.keys()]) this.giveUp(owner);
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
      case "outcome":
        this.ended(message.request, message.outcome);
        return;
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

  private ended(request: number, outcome: Outcome): void {
    const waiting = this.take(request);
    if (outcome.kind === "applied") waiting?.applied(outcome);
    else waiting?.reject(errorOf(outcome));
  }

  private take(request: number): Waiting | undefined {
    const waiting = this.waiting.get(request);
    if (waiting === undefined) return undefined;
    this.waiting.delete(request);
    const own = this.byOwner.get(waiting.owner);
    own?.delete(request);
    if (own?.size === 0) this.byOwner.delete(waiting.owner);
    return waiting;
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

function errorOf(outcome: Exclude<Outcome, AppliedOutcome>): Error {
  if (outcome.kind === "refused") return new ProtocolError(outcome.code, outcome.id, outcome.message);
  return new StoreError(outcome.code);
}
