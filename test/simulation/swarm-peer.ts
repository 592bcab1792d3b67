/**
 * A simulated peer: the real `Scheduler` fetches, `SwarmUpload` serves what is verified. Does what the downloader and
 * its workers do, without sockets, threads, files or a clock, and checks at every step what must hold.
 */
import { Bitfield } from "../../src/content/bitfield.ts";
import type { Outcome } from "../../src/transfer/outcome.ts";
import type { ChunkPicker } from "../../src/transfer/pick.ts";
import { type Action, Scheduler } from "../../src/transfer/scheduler.ts";
import type { SourceAddress } from "../../src/transfer/source.ts";
import type { Swarm } from "./swarm.ts";
import type { SwarmPeerPlan } from "./swarm-plan.ts";
import { type Message, SwarmUpload, type UploadLink } from "./swarm-upload.ts";

/** A connection, as both ends see it. */
export interface SwarmLink extends UploadLink {
  readonly from: SwarmPeer;
  readonly to: SwarmPeer;
  /** The downloader's number of it. */
  readonly connection: number;
  ready: boolean;
  /** When it can take HELLO, and what is asked with it. */
  readonly helloMs: number;
  /** What was asked for and has not come; chunks by request. */
  readonly asked: Map<number, Set<number>>;
  unreportedBytes: number;
  reportedMs: number;
  /** Nothing overtakes what was said before. */
  lastArrivalMs: number;
}

/** A worker reports bytes this often. */
const reportMs = 200;
const maxCallsPerMoment = 20;

export class SwarmPeer {
  readonly have: Bitfield;
  readonly upload: SwarmUpload;
  readonly links = new Map<number, SwarmLink>();
  outcome: Outcome | undefined;
  endMs = Number.POSITIVE_INFINITY;
  gone = false;
  /** When its own line has taken all that is on the way. */
  downFreeMs = 0;
  /** Chunks that came and were there already; requests that were refused. */
  duplicates = 0;
  refusals = 0;
  /** How many the index had told it of when it last told something. */
  toldOf = 0;
  private scheduler: Scheduler | undefined;
  private readonly busyUntilMs = new Map<SwarmPeer, number>();
  private advanceAtMs = Number.POSITIVE_INFINITY;
  private callsThisMoment = 0;
  private lastCallMs = -1;

  constructor(
    readonly host: string,
    readonly plan: SwarmPeerPlan,
    private readonly swarm: Swarm,
  ) {
    this.have = plan.seed ? Bitfield.full(swarm.plan.chunks) : new Bitfield(swarm.plan.chunks);
    this.upload = new SwarmUpload(plan, this.have, swarm);
  }

  get isHonest(): boolean {
    return this.plan.lieProbability === 0;
  }

  get downloads(): boolean {
    return this.scheduler !== undefined && this.outcome === undefined && !this.gone;
  }

  /** Begins to fetch; what the index says comes a little later. */
  start(): void {
    const { plan, nowMs, random } = this.swarm;
    const sizeBytes = (plan.chunks - 1) * 1024 * 1024 + plan.lastChunkBytes;
    const verified = new Bitfield(plan.chunks);
    this.scheduler = new Scheduler(
      { ...plan, sizeBytes, verified, needsHashes: plan.chunks > 1, random },
      nowMs,
    );
    this.ask();
  }

  leave(): void {
    this.gone = true;
    for (const link of [...this.links.values()]) this.swarm.lose(link, true);
    for (const link of [...this.upload.links]) this.swarm.lose(link as SwarmLink, true);
  }

  // --- facts ---

  onIndex(addresses: SourceAddress[], whole: boolean): void {
    this.scheduler?.onIndexAnswer(addresses, whole, this.swarm.nowMs);
    this.advanceSoon();
  }

  onPush(addresses: SourceAddress[]): void {
    this.scheduler?.onNewSources(addresses);
    this.advanceSoon();
  }

  onConnected(link: SwarmLink): void {
    link.ready = true;
    this.scheduler?.onConnected(link.connection, this.swarm.nowMs);
    this.advanceSoon();
  }

  onClosed(link: SwarmLink): void {
    this.links.delete(link.connection);
    this.scheduler?.onClosed(link.connection, this.swarm.nowMs);
    this.advanceSoon();
  }

  onMessage(link: SwarmLink, message: Message): void {
    const { scheduler } = this;
    if (!link.open || scheduler === undefined || this.outcome !== undefined) return;
    const { nowMs } = this.swarm;
    const id = link.connection;
    switch (message.kind) {
      case "have":
        scheduler.onHave(id, this.bitfield(message.held), message.sent && this.bitfield(message.sent));
        break;
      case "hashes":
        scheduler.onBytes(id, 32 * this.have.size, nowMs);
        scheduler.onHashes(id, true, nowMs);
        break;
      case "have-news":
        scheduler.onHaveNews(id, message.chunk);
        break;
      case "sent-news":
        scheduler.onSentNews(id, message.chunk);
        return;
      case "busy":
        this.refusals++;
        link.asked.delete(message.request);
        this.busyUntilMs.set(link.to, nowMs + message.retryMs);
        scheduler.onBusy(id, message.request, message.retryMs, nowMs);
        break;
      case "piece":
        this.onPiece(scheduler, link, message);
        return;
    }
    this.advanceSoon();
  }

  private onPiece(scheduler: Scheduler, link: SwarmLink, piece: Message & { kind: "piece" }): void {
    const { nowMs } = this.swarm;
    link.unreportedBytes += piece.bytes;
    const { chunkDone } = piece;
    if (chunkDone === undefined && nowMs < link.reportedMs + reportMs) return;
    scheduler.onBytes(link.connection, link.unreportedBytes, nowMs);
    link.unreportedBytes = 0;
    link.reportedMs = nowMs;
    this.advanceSoon();
    if (chunkDone === undefined) return;
    const { request, chunk, right } = chunkDone;
    if (!right) {
      scheduler.onBadChunk(link.connection, nowMs);
      this.swarm.lose(link, false);
      return;
    }
    const asked = link.asked.get(request);
    check(asked?.delete(chunk) === true, `chunk ${chunk} came that was not asked for`);
    if (asked.size === 0) link.asked.delete(request);
    const counted = scheduler.onChunk(link.connection, request, chunk, nowMs);
    check(counted !== this.have.has(chunk), `chunk ${chunk} was counted twice or not at all`);
    if (!counted) this.duplicates++;
    else {
      this.have.add(chunk);
      this.upload.announce(chunk);
    }
  }

  // --- actions ---

  private advanceSoon(): void {
    const { nowMs, plan } = this.swarm;
    this.advanceAt(plan.tickMs === 0 ? nowMs : (Math.floor(nowMs / plan.tickMs) + 1) * plan.tickMs);
  }

  private advanceAt(timeMs: number): void {
    if (timeMs >= this.advanceAtMs) return;
    this.advanceAtMs = timeMs;
    this.swarm.at(timeMs, () => {
      if (this.advanceAtMs !== timeMs) return;
      this.advanceAtMs = Number.POSITIVE_INFINITY;
      this.advance();
    });
  }

  private advance(): void {
    const { scheduler } = this;
    if (scheduler === undefined || this.outcome !== undefined || this.gone) return;
    const { nowMs } = this.swarm;
    this.callsThisMoment = nowMs === this.lastCallMs ? this.callsThisMoment + 1 : 0;
    this.lastCallMs = nowMs;
    if (this.callsThisMoment > maxCallsPerMoment * this.swarm.plan.peers.length)
      throw new Error(`${this.host} spins at ${nowMs} ms`);
    for (const action of scheduler.nextActions(nowMs)) this.perform(action);
    if (scheduler.outcome !== undefined) {
      this.end(scheduler, scheduler.outcome);
      return;
    }
    const wakeupMs = scheduler.nextWakeupMs(nowMs);
    check(wakeupMs !== Number.POSITIVE_INFINITY, "it would sleep for ever");
    // As the driver's timer: whole milliseconds, never early.
    this.advanceAt(nowMs + Math.max(1, Math.ceil(wakeupMs - nowMs)));
  }

  private perform(action: Action): void {
    if (action.do === "ask-index") {
      this.ask();
      return;
    }
    if (action.do === "connect") {
      const { maxConnections, peers } = this.swarm.plan;
      // Silent ones beside, four of each source at most.
      check(this.links.size < 2 * maxConnections + 4 * peers.length, "far more connections than allowed");
      this.swarm.connect(this, action.connection, action.host);
      return;
    }
    const link = this.links.get(action.connection);
    if (link === undefined) return;
    if (action.do === "close") {
      this.links.delete(action.connection);
      this.swarm.lose(link, false);
      return;
    }
    check(link.ready || action.do !== "get", `${action.do} on a connection that is not ready`);
    const say = (happen: () => void) => this.swarm.send(link, happen);
    if (action.do === "have") say(() => link.to.upload.onHave(link, action.sent));
    else if (action.do === "hashes") say(() => link.to.upload.onHashes(link));
    else this.get(link, action);
  }

  private get(link: SwarmLink, { request, first, count }: Action & { do: "get" }): void {
    check(count <= this.swarm.plan.maxRequestChunks, `${count} chunks in one request`);
    check(link.asked.size < 32, "more requests on one connection than allowed");
    check(this.swarm.nowMs >= (this.busyUntilMs.get(link.to) ?? 0), "asked a busy peer");
    const chunks = Array.from({ length: count }, (_, i) => first + i);
    for (const chunk of chunks) check(!this.have.has(chunk), `asked for verified chunk ${chunk}`);
    link.asked.set(request, new Set(chunks));
    this.swarm.send(link, () => link.to.upload.onGet(link, request, first, count));
  }

  private ask(): void {
    this.swarm.askIndex(this);
  }

  // --- the end ---

  private end(scheduler: Scheduler, outcome: Outcome): void {
    this.outcome = outcome;
    this.endMs = this.swarm.nowMs;
    check(
      (outcome.kind === "complete") === this.have.isFull,
      `${outcome.kind} with ${this.have.count} chunks`,
    );
    for (const link of [...this.links.values()]) {
      scheduler.onClosed(link.connection, this.swarm.nowMs);
      this.swarm.lose(link, false);
    }
    this.links.clear();
    const { picker } = scheduler as unknown as { picker: ChunkPicker };
    for (let chunk = 0; chunk < picker.size; chunk++) {
      check(picker.claimsOf(chunk) === 0, `chunk ${chunk} has claims, but nobody is connected`);
      check(picker.holdersOf(chunk) === 0, `chunk ${chunk} has holders, but nobody is connected`);
    }
    this.swarm.onEnd(this);
  }

  private bitfield(chunks: readonly number[]): Bitfield {
    const field = new Bitfield(this.have.size);
    for (const chunk of chunks) field.add(chunk);
    return field;
  }
}

function check(holds: boolean, breach: string): asserts holds {
  if (!holds) throw new Error(breach);
}
