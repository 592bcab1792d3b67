/**
 * Runs a whole swarm in virtual time: peers, the lines between them, and an index that answers and pushes. One plan is
 * one run, the same every time.
 */
import type { SourceAddress } from "../../src/transfer/source.ts";
import { Random } from "../helpers/random.ts";
import { EventQueue } from "./event-queue.ts";
import { type SwarmLink, SwarmPeer } from "./swarm-peer.ts";
import type { SwarmPlan } from "./swarm-plan.ts";
import type { Message, UploadLink, UploadWorld } from "./swarm-upload.ts";

export interface SwarmReport {
  /** When the last one who stays had everything. */
  endMs: number;
  peers: { host: string; outcome: string | undefined; endMs: number; sentBytes: number }[];
  duplicates: number;
  refusals: number;
  events: number;
}

const port = 7767;
/** No piece keeps the downloader's line from the others for longer; no connection has more waiting before that line. */
const longestPieceMs = 10;
const longestQueueMs = 100;
const maxEvents = 300_000_000;

export function runSwarm(plan: SwarmPlan): SwarmReport {
  return new Swarm(plan).run();
}

export class Swarm implements UploadWorld {
  nowMs = 0;
  readonly random: () => number;
  private readonly dice: Random;
  private readonly queue = new EventQueue();
  private readonly peers: SwarmPeer[];
  private readonly byHost = new Map<string, SwarmPeer>();
  /** Everybody whom the index knows, in the order in which they came. */
  private readonly registered: SwarmPeer[] = [];
  private lastLinkId = 0;
  private unfinished = 0;

  constructor(readonly plan: SwarmPlan) {
    this.dice = new Random(plan.seed);
    this.random = this.dice.next;
    this.peers = plan.peers.map((each, i) => new SwarmPeer(hostOf(i), each, this));
    for (const peer of this.peers) this.introduce(peer);
  }

  run(): SwarmReport {
    let events = 0;
    for (; this.unfinished > 0; events++) {
      const atMs = this.queue.nextMs;
      const happen = this.queue.take();
      if (happen === undefined || events > maxEvents) throw new Error(`no end: ${this.state()}`);
      if (atMs > this.plan.completeByMs) throw new Error(`not complete by then: ${this.state()}`);
      this.nowMs = Math.max(this.nowMs, atMs);
      happen();
    }
    return {
      endMs: this.nowMs,
      peers: this.peers.map(({ host, outcome, endMs, upload: { sentBytes } }) => ({
        host,
        outcome: outcome?.kind,
        endMs,
        sentBytes,
      })),
      duplicates: this.sumOf(({ duplicates }) => duplicates),
      refusals: this.sumOf(({ refusals }) => refusals),
      events,
    };
  }

  private introduce(peer: SwarmPeer): void {
    this.byHost.set(peer.host, peer);
    const { seed, joinMs, leaveMs } = peer.plan;
    const stays = leaveMs === Number.POSITIVE_INFINITY;
    if (!seed && stays) this.unfinished++;
    this.at(joinMs, () => {
      this.registered.push(peer);
      if (!seed) peer.start();
    });
    if (!stays) this.at(leaveMs, () => this.dismiss(peer));
    if (!seed) this.at(joinMs + this.plan.index.pushMs, () => this.push(peer));
  }

  private dismiss(peer: SwarmPeer): void {
    peer.leave();
    const at = this.registered.indexOf(peer);
    if (at === -1) return;
    this.registered.splice(at, 1);
    for (const each of this.peers) if (each.toldOf > at) each.toldOf--;
  }

  onEnd(peer: SwarmPeer): void {
    if (peer.plan.leaveMs === Number.POSITIVE_INFINITY) this.unfinished--;
  }

  // --- what peers may do ---

  at(timeMs: number, happen: () => void): void {
    this.queue.add(Math.max(timeMs, this.nowMs), happen);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.dice.chance(probability);
  }

  chunkBytes(chunk: number): number {
    return chunk === this.plan.chunks - 1 ? this.plan.lastChunkBytes : 1024 * 1024;
  }

  /** From the downloader to the source. */
  send(link: SwarmLink, happen: () => void): void {
    this.at(Math.max(this.nowMs, link.helloMs) + latencyOf(link), () => {
      if (link.open) happen();
    });
  }

  /** From the source to the downloader, whose line takes one thing after the other. */
  deliver(uploadLink: UploadLink, message: Message): void {
    const link = uploadLink as SwarmLink;
    const reachedMs = this.nowMs + latencyOf(link);
    if (message.kind !== "piece") {
      link.lastArrivalMs = Math.max(reachedMs, link.lastArrivalMs);
      this.at(link.lastArrivalMs, () => link.from.onMessage(link, message));
      return;
    }
    this.at(reachedMs, () => {
      const { from } = link;
      from.downFreeMs = Math.max(this.nowMs, from.downFreeMs) + message.bytes / from.plan.downBytesPerMs;
      link.lastArrivalMs = from.downFreeMs;
      this.at(from.downFreeMs, () => {
        if (!link.open) return;
        link.to.upload.onArrived(link, message.bytes);
        from.onMessage(link, message);
      });
    });
  }

  connect(from: SwarmPeer, connection: number, host: string): void {
    const to = this.byHost.get(host)!;
    const { downBytesPerMs } = from.plan;
    const latencyMs = (from.plan.latencyMs + to.plan.latencyMs) / 2;
    const link: SwarmLink = {
      id: ++this.lastLinkId,
      host: from.host,
      from,
      to,
      connection,
      open: true,
      ready: false,
      helloMs: this.nowMs + 2 * latencyMs,
      pieceBytes: Math.min(this.plan.pieceBytes, Math.ceil(downBytesPerMs * longestPieceMs)),
      windowBytes: Math.min(this.plan.windowBytes, downBytesPerMs * (2 * latencyMs + longestQueueMs)),
      inFlightBytes: 0,
      blocked: false,
      wantsHave: false,
      wantsSent: false,
      requests: [],
      held: [],
      asked: new Map(),
      unreportedBytes: 0,
      reportedMs: this.nowMs,
      lastArrivalMs: 0,
    };
    from.links.set(connection, link);
    this.at(this.nowMs + latencyMs, () => {
      if (!link.open) return;
      if (to.gone || to.upload.links.size >= to.plan.maxIncoming) return this.lose(link, true);
      to.upload.links.add(link);
      // Once more to and fro: HELLO and WELCOME.
      this.at(this.nowMs + 3 * latencyMs, () => {
        if (!link.open) return;
        from.onConnected(link);
        const lifeMs = to.plan.connectionLifeMs;
        if (lifeMs === Number.POSITIVE_INFINITY) return;
        this.at(this.nowMs - Math.log(1 - this.random()) * lifeMs, () => this.lose(link, true));
      });
    });
  }

  /** The connection is no more; `told`: the downloader does not know yet. */
  lose(link: SwarmLink, told: boolean): void {
    if (!link.open) return;
    link.open = false;
    link.to.upload.close(link);
    if (told) link.from.onClosed(link);
  }

  // --- the index ---

  askIndex(peer: SwarmPeer): void {
    const { answerMs, maxSources } = this.plan.index;
    this.at(this.nowMs + answerMs, () => {
      const others = this.registered.filter((each) => each !== peer);
      peer.toldOf = this.registered.length;
      peer.onIndex(this.namedOf(others, maxSources).map(addressOf), others.length <= maxSources);
    });
  }

  /** As PROTOCOL.md has it: half of the places are for those who have all of it, as far as either kind needs them. */
  private namedOf(others: SwarmPeer[], most: number): SwarmPeer[] {
    const whole = others.filter(({ have }) => have.isFull);
    const partial = others.filter(({ have }) => !have.isFull);
    const forWhole = Math.max(most / 2, most - partial.length);
    const chosen = this.sampleOf(whole, forWhole);
    return [...chosen, ...this.sampleOf(partial, most - chosen.length)];
  }

  private push(peer: SwarmPeer): void {
    if (peer.gone || peer.outcome !== undefined) return;
    const { pushMs, maxPushed } = this.plan.index;
    this.at(this.nowMs + pushMs, () => this.push(peer));
    const news = this.registered.slice(peer.toldOf).filter((each) => each !== peer);
    peer.toldOf = this.registered.length;
    if (news.length > 0) peer.onPush(this.sampleOf(news, maxPushed).map(addressOf));
  }

  private sampleOf(peers: SwarmPeer[], most: number): SwarmPeer[] {
    if (peers.length <= most) return peers;
    const chosen = new Set<SwarmPeer>();
    while (chosen.size < most) chosen.add(this.dice.pick(peers));
    return [...chosen];
  }

  // --- reports ---

  private sumOf(measure: (peer: SwarmPeer) => number): number {
    return this.peers.reduce((sum, peer) => sum + measure(peer), 0);
  }

  private state(): string {
    const open = this.peers.filter((peer) => peer.downloads);
    const held = open.map(({ host, have }) => `${host} has ${have.count} of ${have.size}`);
    return `at ${this.nowMs.toFixed(0)} ms ${held.slice(0, 5).join(", ")}`;
  }
}

function addressOf(peer: SwarmPeer): SourceAddress {
  return { host: peer.host, port, partial: !peer.have.isFull };
}

function hostOf(index: number): string {
  return `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
}

function latencyOf({ from, to }: SwarmLink): number {
  return (from.plan.latencyMs + to.plan.latencyMs) / 2;
}
