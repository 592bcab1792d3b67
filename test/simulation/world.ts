/**
 * Runs the real `Scheduler` in virtual time against simulated sources and a simulated index: does what the downloader
 * and its workers do, without sockets, threads, files or a clock. One plan is one run, the same every time.
 */
import { Bitfield } from "../../src/content/bitfield.ts";
import type { Outcome } from "../../src/transfer/outcome.ts";
import type { ChunkPicker } from "../../src/transfer/pick.ts";
import { type Action, Scheduler } from "../../src/transfer/scheduler.ts";
import { Random } from "../helpers/random.ts";
import { EventQueue } from "./event-queue.ts";
import { isWithin, mebibyte, type WorldPlan } from "./plan.ts";
import { Rules } from "./rules.ts";
import { type Link, type Sent, SimulatedSource, type Surroundings } from "./simulated-source.ts";

export interface RunReport {
  outcome: Outcome;
  endMs: number;
  /** Verified bytes by host, as the scheduler counted them. */
  bytes: Record<string, number>;
  badChunks: Record<string, number>;
  /** What was done, in order: for scenarios that look closely. */
  actions: { atMs: number; host: string | undefined; action: Action }[];
}

const port = 7767;
/** A close reaches the worker so much later; what it says until then is still told. */
const closeDelayMs = 1;
const maxEvents = 3_000_000;
const maxCallsPerMoment = 8;

/** Runs to the end; throws when a rule is broken, or when there is no end. */
export function runWorld(plan: WorldPlan): RunReport {
  return new World(plan).run();
}

class World implements Surroundings {
  nowMs = 0;
  private readonly random: Random;
  private readonly rules: Rules;
  private readonly queue = new EventQueue();
  private readonly scheduler: Scheduler;
  private readonly sources = new Map<string, SimulatedSource>();
  private readonly links = new Map<number, Link>();
  private readonly actions: RunReport["actions"] = [];
  private readonly chunkCount: number;
  private downlinkFreeMs = 0;

  constructor(private readonly plan: WorldPlan) {
    this.random = new Random(plan.seed);
    this.rules = new Rules(plan);
    this.chunkCount = Math.ceil(plan.sizeBytes / mebibyte);
    for (const each of plan.sources) this.sources.set(each.host, new SimulatedSource(each, this));
    const verified = this.bitfield(plan.verified);
    this.scheduler = new Scheduler({ ...plan, verified, random: this.random.next }, this.nowMs);
    this.answerIndex();
    for (const { host, running } of plan.sources) this.at(running[1], () => this.loseAll(host));
  }

  run(): RunReport {
    let callsThisMoment = 0;
    for (let events = 0; events < maxEvents; events++) {
      this.advance();
      const { outcome } = this.scheduler;
      if (outcome !== undefined) return this.finish(outcome);
      this.rules.onGoingOn(this.nowMs);
      const beforeMs = this.nowMs;
      const happen = this.sleep();
      if (happen !== undefined || this.nowMs > beforeMs) callsThisMoment = 0;
      else if (++callsThisMoment > maxCallsPerMoment) throw new Error(`it spins at ${this.nowMs} ms`);
      happen?.();
      const { completeByMs } = this.plan;
      if (completeByMs !== undefined && this.nowMs > completeByMs)
        throw new Error(`not complete after ${completeByMs} ms: ${this.rules.verified.size} chunks`);
    }
    throw new Error(
      `no end: at ${this.nowMs} ms it has ${this.rules.verified.size} of ${this.chunkCount} chunks`,
    );
  }

  /** Until the next event, which it returns, or until the scheduler wants to be asked. */
  private sleep(): (() => void) | undefined {
    const wakeupMs = this.scheduler.nextWakeupMs(this.nowMs);
    if (wakeupMs === Number.POSITIVE_INFINITY) throw new Error("it would sleep for ever");
    if (this.queue.nextMs > wakeupMs) {
      if (this.random.chance(0.2)) this.look(wakeupMs);
      // As the driver's timer: whole milliseconds, never early.
      this.nowMs += Math.ceil(wakeupMs - this.nowMs);
      return undefined;
    }
    this.nowMs = Math.max(this.nowMs, this.queue.nextMs);
    return this.queue.take();
  }

  // --- what the sources may do ---

  at(timeMs: number, happen: () => void): void {
    this.queue.add(Math.max(timeMs, this.nowMs), happen);
  }

  chunkLength(chunk: number): number {
    return Math.min(mebibyte, this.plan.sizeBytes - chunk * mebibyte);
  }

  send(link: Link, sent: Sent): void {
    this.at(this.nowMs + link.source.plan.latencyMs, () => {
      const bytes = "bytes" in sent ? sent.bytes : 0;
      this.downlinkFreeMs = Math.max(this.nowMs, this.downlinkFreeMs) + bytes / this.plan.downlinkBytesPerMs;
      this.at(this.downlinkFreeMs, () => this.arrive(link, sent));
    });
  }

  // --- facts in ---

  private arrive(link: Link, sent: Sent): void {
    if (!link.open) return;
    this.rules.onSent(link.id, sent, this.tell(link.id, sent), this.nowMs);
    // A link that met something wrong says nothing more.
    if (sent.kind === "gone" || sent.kind === "wrong-answer" || ("right" in sent && !sent.right))
      this.cut(link);
  }

  /** Whether it was counted as a chunk. */
  private tell(id: number, sent: Sent): boolean {
    const { scheduler, nowMs } = this;
    if ("bytes" in sent) scheduler.onBytes(id, sent.bytes, nowMs);
    switch (sent.kind) {
      case "bytes":
        break;
      case "chunk":
        if (sent.right) return scheduler.onChunk(id, sent.request, sent.chunk, nowMs);
        scheduler.onBadChunk(id, nowMs);
        break;
      case "hashes":
        scheduler.onHashes(id, sent.right, nowMs);
        break;
      case "held":
        scheduler.onHave(id, this.bitfield(sent.chunks), sent.sent && this.bitfield(sent.sent));
        break;
      case "held-news":
        scheduler.onHaveNews(id, sent.chunk);
        break;
      case "sent-news":
        scheduler.onSentNews(id, sent.chunk);
        break;
      case "busy":
        scheduler.onBusy(id, sent.request, sent.retryMs, nowMs);
        break;
      case "wrong-answer":
        scheduler.onWrongAnswer(id, nowMs);
        break;
      case "gone":
        scheduler.onGone(id, nowMs);
        break;
    }
    return false;
  }

  private connected(link: Link): void {
    if (!link.open) return;
    this.scheduler.onConnected(link.id, this.nowMs);
    this.rules.onConnected(link.id, this.nowMs);
    const { connectionLifeMs } = link.source.plan;
    if (connectionLifeMs === Number.POSITIVE_INFINITY) return;
    this.at(this.nowMs - Math.log(1 - this.random.next()) * connectionLifeMs, () => this.lose(link));
  }

  /** The connection ends, and not by us. */
  private lose(link: Link): void {
    if (!link.open) return;
    this.cut(link);
    this.scheduler.onClosed(link.id, this.nowMs);
    this.rules.onClosed(link.id);
  }

  private loseAll(host: string): void {
    for (const link of this.links.values()) if (link.source.plan.host === host) this.lose(link);
  }

  private cut(link: Link): void {
    link.open = false;
    link.source.forget(link);
  }

  // --- actions out ---

  private advance(): void {
    for (const action of this.scheduler.nextActions(this.nowMs)) this.perform(action);
  }

  private perform(action: Action): void {
    this.rules.onAction(action, this.nowMs);
    const link = "connection" in action ? this.links.get(action.connection) : undefined;
    const host = action.do === "connect" ? action.host : link?.source.plan.host;
    this.actions.push({ atMs: this.nowMs, host, action });
    if (action.do === "connect") this.connect(action);
    else if (action.do === "ask-index") this.askIndex();
    else if (link !== undefined) this.ask(link, action);
  }

  private ask(link: Link, action: Action): void {
    const { source } = link;
    // What is asked before WELCOME is answered after it.
    const arrivalMs = Math.max(this.nowMs + source.plan.latencyMs, link.welcomeMs);
    switch (action.do) {
      case "close":
        this.at(this.nowMs + closeDelayMs, () => this.cut(link));
        return;
      case "have":
        this.at(arrivalMs, () => {
          if (link.open) source.tellWhatItHas(link, this.chunkCount);
        });
        return;
      case "hashes":
        this.at(arrivalMs, () => source.take(link, { kind: "hashes", left: 32 * this.chunkCount }));
        return;
      case "get": {
        const { request, first, count } = action;
        const left = this.chunkLength(first);
        this.at(arrivalMs, () =>
          source.take(link, { kind: "get", request, chunk: first, chunksLeft: count, left }),
        );
      }
    }
  }

  private connect({ connection, host }: Action & { do: "connect" }): void {
    const source = this.sources.get(host);
    if (source === undefined) throw new Error(`connect to ${host}, which does not exist`);
    const { latencyMs, welcomeMs } = source.plan;
    const link: Link = {
      id: connection,
      source,
      welcomeMs: this.nowMs + latencyMs + welcomeMs,
      open: true,
      work: [],
    };
    this.links.set(connection, link);
    this.at(this.nowMs + latencyMs, () => {
      if (!source.accepts) return this.lose(link);
      source.accept(link);
      this.at(this.nowMs + latencyMs + welcomeMs, () => this.connected(link));
    });
  }

  private askIndex(): void {
    const { answerMs, away, mute } = this.plan.index;
    if (isWithin(mute, this.nowMs)) return;
    const isAway = isWithin(away, this.nowMs);
    this.at(this.nowMs + answerMs, () => {
      if (isAway) this.scheduler.onIndexFailed(this.nowMs);
      else this.answerIndex();
    });
  }

  private answerIndex(): void {
    const { maxSources } = this.plan.index;
    const named = this.plan.sources.filter(({ listed }) => isWithin([listed], this.nowMs));
    const whole = named.length <= maxSources;
    while (named.length > maxSources) named.splice(this.random.whole(0, named.length - 1), 1);
    const addresses = named.map(({ host, heldFromMs }) => ({
      host,
      port,
      partial: heldFromMs !== undefined,
    }));
    this.rules.onIndexAnswer(
      named.map(({ host }) => host),
      whole,
    );
    this.scheduler.onIndexAnswer(addresses, whole, this.nowMs);
  }

  /** Before the moment it named, and without news, it must have nothing to say (but that a race is worth it now). */
  private look(wakeupMs: number): void {
    this.nowMs += this.random.next() * 0.99 * (wakeupMs - this.nowMs);
    for (const action of this.scheduler.nextActions(this.nowMs)) {
      const isRace = action.do === "get" && action.count === 1 && this.rules.isAskedFor(action.first);
      if (!isRace)
        throw new Error(`${action.do} at ${this.nowMs} ms, but it wanted to sleep until ${wakeupMs}`);
      this.perform(action);
    }
  }

  // --- the end ---

  private finish(outcome: Outcome): RunReport {
    this.rules.onOutcome(outcome, this.nowMs);
    for (const link of this.links.values()) this.lose(link);
    this.checkClaims();
    const sources = [...this.scheduler.sources];
    return {
      outcome,
      endMs: this.nowMs,
      bytes: Object.fromEntries(sources.map(({ host, bytes }) => [host, bytes])),
      badChunks: Object.fromEntries(sources.map(({ host, badChunks }) => [host, badChunks])),
      actions: this.actions,
    };
  }

  /** Nobody is connected: nobody is being asked for anything. */
  private checkClaims(): void {
    const { picker } = this.scheduler as unknown as { picker: ChunkPicker };
    for (let chunk = 0; chunk < picker.size; chunk++) {
      if (picker.claimsOf(chunk) !== 0) throw new Error(`chunk ${chunk} has claims, but nobody is connected`);
    }
    const missing = picker.size - this.rules.verified.size;
    if (picker.unclaimedCount !== missing)
      throw new Error(`${picker.unclaimedCount} chunks unclaimed, but ${missing} are missing`);
    if (picker.verifiedCount !== this.rules.verified.size) throw new Error("the books do not agree");
  }

  private bitfield(chunks: readonly number[]): Bitfield {
    const field = new Bitfield(this.chunkCount);
    for (const chunk of chunks) field.add(chunk);
    return field;
  }
}
