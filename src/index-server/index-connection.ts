/**
 * Drives the session of one accepted connection: reads its lines, asks the catalog, queues what takes long, sends
 * the answers, and sees to it that the peer is in no answer once its connection is gone. Decides nothing about the
 * protocol (session.ts) or about what is true (catalog.ts, lookup.ts, search.ts).
 */
import { monotonicMs } from "../clock.ts";
import { systemCode } from "../errors.ts";
import type { Connection } from "../net/connection.ts";
import type { AcceptedUser } from "../net/listener.ts";
import { encodeError, encodeMatches, encodeOk, encodeResult } from "../wire/encode.ts";
import { leaseMs, maxIndexLineBytes } from "../wire/limits.ts";
import type { FoundContent, Query, Update } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Catalog } from "./catalog.ts";
import { codeForPeer } from "./database.ts";
import type { LivePeer } from "./live-peers.ts";
import type { Lookup } from "./lookup.ts";
import type { Search, SearchResult } from "./search.ts";
import type { SearchTurns } from "./search-turns.ts";
import { IndexSession, type LongRequest } from "./session.ts";
import { type Job, LockedError, type WorkQueue } from "./work-queue.ts";

/** What all connections of an index share. */
export interface IndexParts {
  readonly catalog: Catalog;
  readonly lookup: Lookup;
  readonly search: Search;
  readonly searchTurns: SearchTurns;
  readonly queue: WorkQueue;
  readonly welcome: { agent: string; epoch: string };
  onQuery(): void;
  /** The database, or a bug: a line for the log. */
  onFailure(error: unknown): void;
  /** The peer's rows are to be purged. */
  onLeft(peer: LivePeer): void;
}

/** How long one connection's lines are worked on before others get their share. */
const turnMs = 3;

/** What a parsed message takes, for each byte of its line (1.5 measured). */
const parsedBytesPerByte = 2;

interface Waiting {
  request: LongRequest;
  keptBytes: number;
}

export class IndexConnection implements AcceptedUser {
  private readonly session: IndexSession;
  private peer: LivePeer | undefined;
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
    const step = this.session.onLine(line);
    if (!wasGreeted) this.connection.maxLineBytes = maxIndexLineBytes;
    switch (step.do) {
      case "answer":
        this.connection.send(step.line);
        break;
      case "find":
        this.answerQuery(step.query);
        break;
      case "work":
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
    if (this.peer !== undefined) this.parts.onLeft(this.peer);
    this.peer = undefined;
  }

  // --- internal ---

  private answerQuery({ id, name }: Query): void {
    this.parts.onQuery();
    let contents: FoundContent[];
    try {
      contents = this.parts.lookup.find(name);
    } catch (error) {
      this.parts.onFailure(error);
      this.connection.send(encodeError(new ProtocolError(codeForPeer(error), id)));
      return;
    }
    this.connection.send(encodeResult(id, contents));
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
    if (request.type !== "SEARCH") queue.add(job);
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
    const { id } = request;
    const { catalog, search } = this.parts;
    switch (request.type) {
      case "SEARCH":
        return this.job(request, search.run(request.text, request.limit), readOnly, (found) => {
          const { matches, more } = found as SearchResult;
          return encodeMatches(id, matches, more);
        });
      case "REGISTER": {
        this.peer ??= catalog.join(this.connection.remoteHost, request.port);
        const steps = catalog.register(this.peer, request.port, request.files);
        return this.job(
          request,
          steps,
          (run) => catalog.tryTransaction(run),
          () => encodeOk(id),
        );
      }
      case "UPDATE": {
        const steps = this.update(request);
        return this.job(
          request,
          steps,
          (run) => catalog.tryTransaction(run),
          () => encodeOk(id),
        );
      }
    }
  }

  private job(
    request: LongRequest,
    steps: Iterator<void, unknown>,
    slice: (run: () => void) => boolean,
    answer: (result: unknown) => string,
  ): Job {
    return {
      owner: this,
      steps,
      slice,
      finished: (result) => {
        this.session.onDone(request);
        this.connection.send(answer(result));
        this.goOn();
      },
      failed: (error) => {
        const refused = error instanceof ProtocolError;
        this.session.onFailed(request, refused);
        if (!refused) this.parts.onFailure(error);
        const code = refused ? error.code : error instanceof LockedError ? "RETRY" : codeForPeer(error);
        this.connection.send(encodeError(new ProtocolError(code, request.id)));
        this.goOn();
      },
    };
  }

  /** A REGISTER before it may have failed while this UPDATE was waiting. */
  private *update({ add, remove }: Update): Generator<void, void> {
    if (this.peer === undefined || !this.session.registered) throw new ProtocolError("BAD_STATE");
    yield* this.parts.catalog.update(this.peer, add, remove);
  }

  /** Thousands of requests may have come in one packet. */
  private restAfterTurn(): void {
    const nowMs = monotonicMs();
    if (this.turnEndsMs === undefined) {
      this.turnEndsMs = nowMs + turnMs;
      setImmediate(() => {
        this.turnEndsMs = undefined;
        this.resting = false;
        this.applyPause();
      });
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

function readOnly(run: () => void): boolean {
  run();
  return true;
}
