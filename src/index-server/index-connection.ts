/**
 * Drives the session of one accepted connection: reads its lines, asks the catalog, queues what takes long, sends
 * the answers, and sees to it that the peer is in no answer once its connection is gone. Decides nothing about the
 * protocol (session.ts) or about what is true (catalog.ts, lookup.ts, search.ts).
 */
import { monotonicMs } from "../clock.ts";
import { systemCode } from "../errors.ts";
import type { Connection } from "../net/connection.ts";
import type { AcceptedUser } from "../net/listener.ts";
import { encodeError, encodeNewSources, encodeOk, encodeResult } from "../wire/encode.ts";
import { leaseMs, maxIndexLineBytes } from "../wire/limits.ts";
import type { FileEntry, FoundContent, Query, Unsubscribe } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { PeersRequest, StatsRequest } from "../wire/view-messages.ts";
import type { IndexCounters } from "./counters.ts";
import { codeForPeer } from "./database.ts";
import { sourceOf } from "./holders.ts";
import type { LivePeer } from "./live-peers.ts";
import { LongWork, type LongWorkParts } from "./long-work.ts";
import type { Lookup } from "./lookup.ts";
import type { IndexSnapshot } from "./metrics.ts";
import type { Rounds } from "./rounds.ts";
import type { SearchTurns } from "./search-turns.ts";
import { IndexSession, type LongRequest, type Step } from "./session.ts";
import { peersLine, statsLine } from "./show.ts";
import type { NewsReader, SourceNews } from "./source-news.ts";
import type { Push } from "./subscriptions.ts";
import { type Job, LockedError, type WorkQueue } from "./work-queue.ts";

/** What all connections of an index share. */
export interface IndexParts extends LongWorkParts {
  readonly lookup: Lookup;
  readonly news: SourceNews;
  readonly searchTurns: SearchTurns;
  readonly queue: WorkQueue;
  readonly rounds: Rounds;
  readonly welcome: { agent: string; epoch: string };
  readonly counters: IndexCounters;
  snapshot(): IndexSnapshot;
  /** The database, or a bug: a line for the log. */
  onFailure(error: unknown): void;
  /** The peer's rows are to be purged. */
  onLeft(peer: LivePeer): void;
}

/** What a parsed message takes, for each byte of its line (1.5 measured). */
const parsedBytesPerByte = 2;

/** With more than this waiting to be sent, a connection is not told of new sources. */
const maxNewsBacklogBytes = 64 * 1024;

interface Waiting {
  request: LongRequest;
  keptBytes: number;
}

export class IndexConnection implements AcceptedUser, NewsReader {
  private readonly session: IndexSession;
  private readonly work: LongWork;
  /** Long requests: the first one is being worked on, the others wait for it. */
  private readonly waiting: Waiting[] = [];
  private turnEndsMs: number | undefined;
  private resting = false;
  private closed = false;

  constructor(
    private readonly connection: Connection,
    private readonly parts: IndexParts,
  ) {
    this.session = new IndexSession(parts.welcome);
    const { subscriptions } = parts.news;
    this.work = new LongWork(parts, connection.remoteHost, (file) => subscriptions.wants(file));
  }

  // --- what the listener asks ---

  get greeted(): boolean {
    return this.session.greeted;
  }

  get idleTimeoutMs(): number | undefined {
    // Who waits for an answer of ours, and is perhaps not read from meanwhile, is not idle.
    if (this.session.unanswered > 0) return Number.POSITIVE_INFINITY;
    return this.session.registered ? leaseMs : undefined;
  }

  // --- what the connection says ---

  onLine(line: Uint8Array): number {
    this.restAfterTurn();
    const wasGreeted = this.session.greeted;
    const step = this.stepFor(line);
    if (!wasGreeted) this.connection.maxLineBytes = maxIndexLineBytes;
    switch (step.do) {
      case "answer":
        if (wasGreeted) this.parts.counters.request("PING");
        this.connection.send(step.line);
        break;
      case "find":
        this.find(step.query);
        break;
      case "unsubscribe":
        this.parts.counters.request(step.request.type);
        this.unsubscribe(step.request);
        break;
      case "show":
        this.parts.counters.request(step.request.type);
        this.show(step.request);
        break;
      case "work":
        this.parts.counters.request(step.request.type);
        this.wait({ request: step.request, keptBytes: line.length * parsedBytesPerByte });
        break;
    }
    return 0;
  }

  onClose(error: Error | undefined): void {
    this.closed = true;
    // Connections break; anything else that ended this one is a bug, and must not go unheard.
    if (error !== undefined && systemCode(error) === undefined) this.parts.onFailure(error);
    this.waiting.length = 0;
    this.parts.queue.drop(this);
    this.parts.searchTurns.leave(this);
    this.parts.news.subscriptions.drop(this);
    if (this.work.peer !== undefined) this.parts.onLeft(this.work.peer);
  }

  // --- what source-news.ts asks ---

  get takesNews(): boolean {
    return this.connection.bufferedBytes <= maxNewsBacklogBytes;
  }

  tell(id: number, contents: Push<NewsReader>["contents"]): void {
    const { holders } = this.parts.lookup;
    const counted = contents.map((content) => ({ ...content, total: holders.keptTotal(content) }));
    this.connection.send(encodeNewSources(id, counted));
  }

  // --- internal ---

  private stepFor(line: Uint8Array): Step {
    try {
      return this.session.onLine(line);
    } catch (error) {
      if (error instanceof ProtocolError) this.parts.counters.error(error.code);
      throw error;
    }
  }

  private find(query: Query): void {
    const { counters } = this.parts;
    const startMs = counters.query() ? monotonicMs() : undefined;
    this.answerQuery(query);
    if (startMs !== undefined) counters.queryTimes.observe((monotonicMs() - startMs) / 1000);
  }

  private answerQuery({ id, name, subscribe }: Query): void {
    let contents: FoundContent[];
    try {
      contents = this.parts.lookup.find(name);
      if (subscribe === true) this.parts.news.subscriptions.subscribe(this, id, name, contents);
    } catch (error) {
      // A limit of subscriptions.
      if (error instanceof ProtocolError) {
        this.parts.counters.error(error.code);
        throw error;
      }
      this.parts.onFailure(error);
      this.refuse(new ProtocolError(codeForPeer(error), id));
      return;
    }
    this.connection.send(encodeResult(id, contents));
  }

  private unsubscribe({ id, query }: Unsubscribe): void {
    this.parts.news.subscriptions.unsubscribe(this, query);
    this.connection.send(encodeOk(id));
  }

  private show(request: PeersRequest | StatsRequest): void {
    const { catalog, snapshot } = this.parts;
    const line =
      request.type === "PEERS"
        ? peersLine(request, catalog.live.inOrder(), monotonicMs())
        : statsLine(request, snapshot());
    this.connection.send(line);
  }

  private wait(waiting: Waiting): void {
    this.waiting.push(waiting);
    this.connection.keptByUser(waiting.keptBytes);
    this.applyPause();
    if (this.waiting.length === 1) this.begin(waiting.request);
  }

  private begin(request: LongRequest): void {
    const { queue, searchTurns } = this.parts;
    const job = this.jobFor(request);
    if (request.type === "REGISTER" || request.type === "UPDATE") queue.add(job);
    else
      searchTurns.enter(
        this,
        () => queue.add(job),
        () => job.failed(new ProtocolError("RETRY")),
      );
  }

  /** The first request has been answered. */
  private goOn(): void {
    this.parts.searchTurns.leave(this);
    const done = this.waiting.shift();
    if (done !== undefined) this.connection.keptByUser(-done.keptBytes);
    const next = this.waiting[0];
    if (next !== undefined) this.begin(next.request);
    this.applyPause();
  }

  private jobFor(request: LongRequest): Job {
    const work = this.work.of(request, () => this.session.registered);
    const { steps } = work;
    return {
      owner: this,
      steps,
      slice: (run) => work.slice(run),
      finished: (result) => {
        this.session.onDone(request);
        this.connection.send(work.answer(result));
        this.spread(work.news);
        this.goOn();
      },
      failed: (error) => {
        const refused = error instanceof ProtocolError;
        this.session.onFailed(request, refused);
        if (!refused) this.parts.onFailure(error);
        const code = error instanceof LockedError ? "RETRY" : codeForPeer(error);
        const told = refused ? error : new ProtocolError(code);
        this.refuse(new ProtocolError(told.code, request.id, told.message));
        // What was applied before is news; when the rest is said again, it is not any more.
        this.spread(work.news);
        this.goOn();
      },
    };
  }

  private refuse(error: ProtocolError): void {
    this.parts.counters.error(error.code);
    this.connection.send(encodeError(error));
  }

  /** Others are told of what can be found here now. */
  private spread(news: readonly FileEntry[]): void {
    const { peer } = this.work;
    if (peer === undefined || news.length === 0) return;
    const { subscriptions } = this.parts.news;
    const nowMs = monotonicMs();
    for (const file of news) subscriptions.arrived(this, sourceOf(peer, file.partial === true), file, nowMs);
    this.parts.news.changed();
  }

  /** Thousands of requests may have come in one packet. */
  private restAfterTurn(): void {
    const nowMs = monotonicMs();
    if (this.turnEndsMs === undefined) {
      const lengthMs = this.parts.rounds.begin(() => {
        this.turnEndsMs = undefined;
        this.resting = false;
        this.applyPause();
      });
      this.turnEndsMs = nowMs + lengthMs;
    } else if (nowMs > this.turnEndsMs && !this.resting) {
      this.resting = true;
      this.applyPause();
    }
  }

  private applyPause(): void {
    if (this.closed) return;
    if (this.resting || this.session.full) this.connection.pause();
    else this.connection.resume();
  }
}
