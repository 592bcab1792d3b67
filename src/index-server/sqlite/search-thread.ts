/**
 * The search as the main thread of the index sees it: two threads, one that answers and one that keeps the full text
 * up to date. Either of them may die, and the full text may be lost: then both are started again.
 */
import { monotonicMs } from "../../clock.ts";
import { printable } from "../../printable.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { parseSearch } from "../../wire/search-query.ts";
import { workerUrl } from "../../worker-url.ts";
import { decodeCursor } from "./search-cursor.ts";
import { removeSearchDatabase } from "./search-database.ts";
import type {
  FromSearchWorker,
  FromUpkeepWorker,
  SearchPaths,
  ToSearchWorker,
  ToUpkeepWorker,
  Trouble,
} from "./search-messages.ts";
import type { SearchPage, SearchRequest } from "./search-run.ts";

/** More wait for so long that they would be given up. */
const maxAsked = 1_024;
const restartMs = 1_000;
/** Damage so soon after the last one was not mended by a new full text. */
const damagedAgainMs = 60_000;
/** To close its databases. */
const stopMs = 2_000;

export interface SearchThreadOptions {
  paths: SearchPaths;
  /** Which peers are live: of `LiveBits`. */
  live: SharedArrayBuffer;
  /** Gets one line about what went wrong. */
  warn: (line: string) => void;
  /** The index's own database turns out to be damaged: one line. */
  damaged?: (line: string) => void;
  /** The full text has all names up to this entry. */
  onIndexed?: (upTo: number) => void;
}

interface Asked {
  request: SearchRequest;
  resolve(page: SearchPage): void;
  reject(error: ProtocolError): void;
}

export class SearchThread {
  private readonly asked = new Map<number, Asked>();
  private lastId = 0;
  private searcher: Thread<ToSearchWorker> | undefined;
  private upkeep: Thread<ToUpkeepWorker> | undefined;
  private isOpen = false;
  private isStopped = false;
  private damagedMs = Number.NEGATIVE_INFINITY;
  private restartTimer: ReturnType<typeof setTimeout> | undefined;
  /** What was warned of last: the same is not said twice in a row. */
  private warned = "";

  constructor(private readonly options: SearchThreadOptions) {}

  /** The index's database must be there. What is wrong with that of the full text is warned of, and mended. */
  start(): void {
    const { paths } = this.options;
    const upkeep = new Thread<ToUpkeepWorker>("index-server/sqlite/search-upkeep-worker.ts", {
      receive: (message) => this.onUpkeep(message as FromUpkeepWorker),
      died: (reason) => this.restart(`the thread of the full text ended: ${reason}`, false),
    });
    this.upkeep = upkeep;
    upkeep.send({ type: "open", paths });
  }

  /** Throws ProtocolError: BAD_SEARCH, TOO_MANY; RETRY when there are too many searches, or at a bad moment. */
  search(request: SearchRequest, signal?: AbortSignal): Promise<SearchPage> {
    const { promise, resolve, reject } = Promise.withResolvers<SearchPage>();
    try {
      // What is wrong with it is said here, and costs the other threads nothing.
      parseSearch(request.text);
      if (request.after !== "") decodeCursor(request.after, request.text);
      if (this.asked.size >= maxAsked || this.isStopped) throw new ProtocolError("RETRY");
    } catch (error) {
      return Promise.reject(error);
    }
    const id = ++this.lastId;
    const onAbort = () => {
      this.asked.delete(id);
      this.searcher?.send({ type: "cancel", id });
      reject(new ProtocolError("RETRY"));
    };
    if (signal?.aborted === true) onAbort();
    else {
      signal?.addEventListener("abort", onAbort, { once: true });
      this.asked.set(id, { request, resolve, reject });
      if (this.isOpen) this.searcher?.send({ type: "search", id, request });
    }
    return promise.finally(() => signal?.removeEventListener("abort", onAbort));
  }

  /** There are new entries: they are found at once, and brought into the full text. */
  changed(): void {
    this.upkeep?.send({ type: "changed" });
  }

  /** These entries are gone. */
  removed(ids: Iterable<number>): void {
    this.upkeep?.send({ type: "removed", ids: Float64Array.from(ids) });
  }

  /** Resolves when both databases are closed. Searches that were asked are answered with RETRY. Idempotent. */
  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.restartTimer);
    this.giveUp();
    // The one that writes comes last: it takes the journal along.
    await this.searcher?.end({ type: "stop" });
    await this.upkeep?.end({ type: "stop" });
    this.searcher = undefined;
    this.upkeep = undefined;
  }

  // --- internal ---

  private onUpkeep(message: FromUpkeepWorker): void {
    switch (message.type) {
      case "opened":
        this.openSearcher();
        break;
      case "indexed":
        this.warned = "";
        this.options.onIndexed?.(message.upTo);
        break;
      case "trouble":
        this.onTrouble(message);
        break;
      case "stopped":
    }
  }

  private openSearcher(): void {
    const { paths, live } = this.options;
    const searcher = new Thread<ToSearchWorker>("index-server/sqlite/search-worker.ts", {
      receive: (message) => this.onSearcher(message as FromSearchWorker),
      died: (reason) => this.restart(`the search thread ended: ${reason}`, false),
    });
    this.searcher = searcher;
    searcher.send({ type: "open", paths, live });
  }

  private onSearcher(message: FromSearchWorker): void {
    switch (message.type) {
      case "opened":
        this.isOpen = true;
        for (const [id, { request }] of this.asked) this.searcher?.send({ type: "search", id, request });
        break;
      case "found":
        this.take(message.id)?.resolve(message.page);
        break;
      case "refused": {
        const detail = message.message === "" ? undefined : message.message;
        this.take(message.id)?.reject(new ProtocolError(message.code, null, detail));
        break;
      }
      case "trouble":
        this.onTrouble(message);
        break;
      case "stopped":
    }
  }

  private take(id: number): Asked | undefined {
    const asked = this.asked.get(id);
    this.asked.delete(id);
    return asked;
  }

  private onTrouble({ remedy, message }: Trouble): void {
    const line = `the full text of names: ${printable(message)}`;
    if (remedy === "anew" && this.isDamagedAgain()) {
      // Made anew it is damaged at once: then it is what it is made from.
      void this.stop();
      this.options.damaged?.(`the index database: it is damaged (${printable(message)})`);
      return;
    }
    if (remedy === "none") this.warn(line);
    else this.restart(remedy === "anew" ? `${line}; it is made anew` : line, remedy === "anew");
  }

  private isDamagedAgain(): boolean {
    const nowMs = monotonicMs();
    const isAgain = nowMs < this.damagedMs + damagedAgainMs;
    this.damagedMs = nowMs;
    return isAgain;
  }

  private warn(line: string): void {
    if (line !== this.warned) this.options.warn(line);
    this.warned = line;
  }

  private restart(line: string, isAnew: boolean): void {
    if (this.isStopped) return;
    this.warn(line);
    this.isOpen = false;
    this.giveUp();
    this.searcher?.terminate();
    this.upkeep?.terminate();
    this.searcher = undefined;
    this.upkeep = undefined;
    clearTimeout(this.restartTimer);
    this.restartTimer = setTimeout(() => {
      try {
        if (isAnew) removeSearchDatabase(this.options.paths.search);
      } finally {
        this.start();
      }
    }, restartMs);
  }

  private giveUp(): void {
    for (const { reject } of this.asked.values()) reject(new ProtocolError("RETRY"));
    this.asked.clear();
  }
}

// --- one thread ---

interface ThreadListener {
  receive(message: unknown): void;
  died(reason: string): void;
}

class Thread<ToWorker> {
  private readonly worker: Worker;
  private readonly closed = Promise.withResolvers<void>();
  private isEnded = false;

  constructor(entry: string, listener: ThreadListener) {
    this.worker = new Worker(workerUrl(entry));
    this.worker.onmessage = ({ data }: MessageEvent<{ type: string }>) => {
      if (data.type === "stopped") this.closed.resolve();
      else if (!this.isEnded) listener.receive(data);
    };
    const died = (reason: string): void => {
      this.closed.resolve();
      if (this.isEnded) return;
      this.isEnded = true;
      listener.died(reason);
    };
    // The text of an ErrorEvent is pages of source code; its first line says what happened.
    this.worker.onerror = (event) => died(event.message.split("\n", 1)[0] ?? "");
    this.worker.addEventListener("close", () => died("it ended"));
  }

  send(message: ToWorker): void {
    if (!this.isEnded) this.worker.postMessage(message);
  }

  async end(message: ToWorker): Promise<void> {
    this.send(message);
    this.isEnded = true;
    const timer = setTimeout(this.closed.resolve, stopMs);
    await this.closed.promise;
    clearTimeout(timer);
    this.worker.terminate();
  }

  terminate(): void {
    this.isEnded = true;
    this.worker.terminate();
  }
}
