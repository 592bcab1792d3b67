/**
 * Drives the session of one accepted connection: reads its lines, asks the catalog, sends the answers, and sees to it
 * that the peer is in no answer once its connection is gone. Decides nothing about the protocol (session.ts) or about
 * what is true (catalog.ts).
 */
import { monotonicMs } from "../clock.ts";
import { systemCode } from "../errors.ts";
import type { Connection } from "../net/connection.ts";
import type { AcceptedUser } from "../net/listener.ts";
import {
  encodeFound,
  encodeNewSources,
  encodeOk,
  encodeResultEnd,
  encodeResultStart,
} from "../wire/encode.ts";
import { leaseMs, maxBufferedBytes, maxIndexLineBytes } from "../wire/limits.ts";
import type { FoundContent, Query, Unsubscribe, Watch } from "../wire/messages.ts";
import { PlainQueries } from "../wire/plain-query.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { StoreError } from "./catalog.ts";
import { errorFor } from "./error-for.ts";
import type { IndexParts } from "./index-parts.ts";
import { answerFromKept } from "./kept-answers.ts";
import { LongRequests, type LongRequestsOwner } from "./long-requests.ts";
import { OwnTurn, type TurnOwner } from "./own-turn.ts";
import { Registration } from "./registration.ts";
import { type Change, IndexSession, isChange, type LongRequest, type Step } from "./session.ts";
import { shownLine } from "./show.ts";
import { slowAnswer } from "./slow-answers.ts";
import type { NewsReader } from "./source-news.ts";
import type { Push } from "./subscriptions.ts";
import type { FoundPush } from "./watches.ts";

/** With more than this waiting to be sent, a connection is not told of new sources. */
const maxNewsBacklogBytes = 64 * 1024;
/** Looking at the clock for each would cost a good part of what an answer does that was kept. */
const queriesPerLook = 8;

export class IndexConnection implements AcceptedUser, NewsReader, LongRequestsOwner, TurnOwner {
  private readonly session: IndexSession;
  private readonly registration: Registration;
  /** Undefined while none waits: of thousands of connections that is nearly always so. */
  private longRequests: LongRequests | undefined;
  /** Thousands of requests may come in one packet. */
  private readonly turn: OwnTurn;
  private closed = false;

  constructor(
    private readonly connection: Connection,
    private readonly parts: IndexParts,
  ) {
    this.session = new IndexSession(parts.welcome);
    this.turn = new OwnTurn(parts.rounds, this);
    this.registration = new Registration(connection, parts);
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

  get advertisedHost(): string | undefined {
    return this.registration.peer?.host;
  }

  /** Its connection may take a while to end. */
  shownOut(): void {
    this.registration.end();
  }

  // --- what the connection says ---

  readingBegins(nowMs: number): void {
    this.turn.start(nowMs);
  }

  readingEnds(): void {
    this.turn.stop();
  }

  onLine(line: Uint8Array): number {
    this.turn.look();
    this.take(line);
    return 0;
  }

  /** Of nearly all that an index is asked, thousands may come in one packet. */
  takeLines(bytes: Uint8Array, from: number): number {
    if (!this.session.greeted) return from;
    const queries = new PlainQueries(bytes, from);
    for (let taken = 1; ; taken++) {
      if (this.turn.isOver || this.connection.bufferedBytes > maxBufferedBytes || !queries.next()) break;
      this.find(queries);
      if (taken % queriesPerLook === 0) this.turn.look();
    }
    return queries.end;
  }

  private take(line: Uint8Array): void {
    const wasGreeted = this.session.greeted;
    const step = this.stepFor(line);
    if (!wasGreeted) this.connection.maxLineBytes = maxIndexLineBytes;
    else if (step.do !== "find")
      this.parts.counters.request(step.do === "answer" ? "PING" : step.request.type);
    switch (step.do) {
      case "answer":
        this.connection.send(step.line);
        break;
      case "find":
        this.find(step.query);
        break;
      case "watch":
        this.watch(step.request);
        break;
      case "unsubscribe":
        this.unsubscribe(step.request);
        break;
      case "show":
        this.connection.send(shownLine(step.request, this.parts, monotonicMs()));
        break;
      case "work":
        this.wait(step.request);
        break;
    }
  }

  onClose(error: Error | undefined): void {
    this.closed = true;
    // Connections break; anything else that ended this one is a bug, and must not go unheard.
    if (error !== undefined && systemCode(error) === undefined) this.parts.onFailure(error);
    this.longRequests?.clear();
    this.parts.catalog.forget(this);
    this.parts.news.drop(this);
    this.registration.end();
  }

  // --- what source-news.ts asks ---

  get takesNews(): boolean {
    return this.connection.bufferedBytes <= maxNewsBacklogBytes;
  }

  get peerId(): string | undefined {
    return this.registration.peer?.id;
  }

  tell(id: number, contents: Push<NewsReader>["contents"]): void {
    const { catalog } = this.parts;
    const counted = contents.map((each) => ({ ...each, total: catalog.keptTotal(each) }));
    this.connection.send(encodeNewSources(id, counted));
  }

  tellFound(id: number, matches: FoundPush<NewsReader>["matches"]): void {
    const { catalog } = this.parts;
    const counted = matches.map((match) => ({ ...match, sources: catalog.keptTotal(match) }));
    this.connection.send(encodeFound(id, counted));
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

  private find(query: Query | PlainQueries): void {
    const { catalog, counters } = this.parts;
    const startMs = counters.query() ? monotonicMs() : undefined;
    if (!(query instanceof PlainQueries)) this.answerQuery(query);
    else if (!answerFromKept(query, catalog, this.connection)) this.answerQuery(query.message);
    if (startMs !== undefined) counters.queryTimes.observe((monotonicMs() - startMs) / 1000);
  }

  private answerQuery({ id, name, subscribe }: Query): void {
    const { catalog } = this.parts;
    try {
      if (subscribe === true) this.findAndSubscribe(id, name);
      else this.whenFound(id, catalog.answer(name), (end) => this.sendResult(id, end));
    } catch (error) {
      this.refuse(id, error);
    }
  }

  private findAndSubscribe(id: number, name: string): void {
    const { catalog, news } = this.parts;
    const endWanting = news.wanting(name);
    let found: FoundContent[] | Promise<FoundContent[]> = [];
    try {
      found = catalog.find(name);
      this.whenFound(id, found, (contents) => this.subscribe(id, name, contents));
    } finally {
      if (found instanceof Promise) found.then(endWanting, endWanting);
      else endWanting();
    }
  }

  /** At once when it is known at once: most are. */
  private whenFound<Result>(id: number, found: Result | Promise<Result>, use: (found: Result) => void): void {
    if (found instanceof Promise) found.then(use).catch((error: unknown) => this.refuse(id, error));
    else use(found);
  }

  private subscribe(id: number, name: string, found: FoundContent[]): void {
    if (this.closed) return;
    this.parts.news.subscribe(this, id, name, found);
    this.sendResult(id, encodeResultEnd(found));
  }

  private sendResult(id: number, end: Uint8Array): void {
    this.connection.send(encodeResultStart(id));
    this.connection.send(end);
  }

  private watch({ id, text }: Watch): void {
    try {
      this.parts.news.watch(this, id, text);
      this.connection.send(encodeOk(id));
    } catch (error) {
      this.refuse(id, error);
    }
  }

  private unsubscribe({ id, query }: Unsubscribe): void {
    this.parts.news.unsubscribe(this, query);
    this.connection.send(encodeOk(id));
  }

  private wait(request: LongRequest): void {
    // Now: when it is done, its line is the catalog's.
    const keptBytes = "line" in request ? request.line.length : 0;
    // Begun before more is read: to go on reading may bring the next request at once.
    this.longRequests ??= new LongRequests(this);
    this.longRequests.add(request, keptBytes);
    this.connection.keptByUser(keptBytes);
    this.applyPause();
  }

  // --- what long-requests.ts asks ---

  get updatesAtOnce(): number {
    return this.parts.catalog.updatesAtOnce;
  }

  async work(request: LongRequest): Promise<() => void> {
    try {
      const answer = await this.answerTo(request);
      this.session.onDone(request);
      return () => void this.connection.send(answer);
    } catch (error) {
      this.session.onFailed(request, error instanceof ProtocolError);
      return () => this.refuse(request.id, error);
    }
  }

  onAnswered(keptBytes: number): void {
    if (this.longRequests?.isEmpty) this.longRequests = undefined;
    this.connection.keptByUser(-keptBytes);
    this.applyPause();
  }

  // --- internal ---

  private async answerTo(request: LongRequest): Promise<string> {
    return isChange(request)
      ? await this.change(request)
      : await slowAnswer(this.parts.catalog, this, request);
  }

  private async change(request: Change): Promise<string> {
    if (request.type === "UPDATE" && !this.session.mayUpdate) throw new ProtocolError("BAD_STATE");
    return await this.registration.apply(request);
  }

  private refuse(id: number, error: unknown): void {
    if (this.closed) return;
    const told = errorFor(id, error);
    if (told.code === "INTERNAL" && !(error instanceof StoreError)) this.parts.onFailure(error);
    this.parts.counters.error(told.code);
    this.connection.refuse(told);
  }

  /** Also when a turn is over, or another one may begin. */
  applyPause(): void {
    if (this.closed) return;
    if (this.turn.isOver || this.session.full) this.connection.pause();
    else this.connection.resume();
  }
}
