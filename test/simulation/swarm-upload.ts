/**
 * The serving half of a simulated peer: the real `UploadTurns` and `SentChunks` over one line that sends piece after
 * piece, round the connections that have a turn. What it sends arrives in order, and as fast as the other end's line
 * takes it.
 */

import type { Bitfield } from "../../src/content/bitfield.ts";
import { addressLimit } from "../../src/net/address-limits.ts";
import { UploadTurns } from "../../src/transfer/upload-turns.ts";
import { endOf } from "./plan.ts";
import { SentChunks } from "./sent-chunks.ts";
import type { SwarmPeerPlan, SwarmPlan } from "./swarm-plan.ts";

/** What a peer says or sends to who is connected to it. */
export type Message =
  | { kind: "have"; held: number[]; sent: number[] | undefined }
  | { kind: "hashes" }
  | { kind: "have-news" | "sent-news"; chunk: number }
  | { kind: "busy"; request: number; retryMs: number }
  | {
      kind: "piece";
      bytes: number;
      chunkDone: { request: number; chunk: number; right: boolean } | undefined;
    };

export interface UploadLink {
  readonly id: number;
  readonly host: string;
  open: boolean;
  /** Sent at a time. */
  readonly pieceBytes: number;
  /** On their way at most. */
  readonly windowBytes: number;
  /** Bytes on their way, and whether the line waits for some of them to arrive. */
  inFlightBytes: number;
  blocked: boolean;
  wantsHave: boolean;
  wantsSent: boolean;
  readonly requests: { request: number; chunk: number; chunksLeft: number; leftBytes: number }[];
  /** Lines that cannot be said in the middle of a body. */
  readonly held: Message[];
}

export interface UploadWorld {
  readonly nowMs: number;
  readonly plan: SwarmPlan;
  at(timeMs: number, happen: () => void): void;
  chance(probability: number): boolean;
  chunkBytes(chunk: number): number;
  deliver(link: UploadLink, message: Message): void;
}

const root = "the content";

export class SwarmUpload {
  readonly links = new Set<UploadLink>();
  sentBytes = 0;
  private readonly turns: UploadTurns;
  private readonly sent = new SentChunks();
  /** Those that have a turn, the one that is next first. */
  private readonly active: UploadLink[] = [];
  private sending = false;
  private wakeupMs = Number.POSITIVE_INFINITY;

  constructor(
    private readonly plan: SwarmPeerPlan,
    private readonly have: Bitfield,
    private readonly world: UploadWorld,
  ) {
    this.turns = new UploadTurns(
      { slots: world.plan.slots, perHost: addressLimit(8), total: 64 },
      world.nowMs,
    );
  }

  // --- what comes from the other end ---

  close(link: UploadLink): void {
    this.links.delete(link);
    const at = this.active.indexOf(link);
    if (at !== -1) this.active.splice(at, 1);
    this.turns.onClosed(link.id, this.world.nowMs);
    this.serve();
  }

  onHave(link: UploadLink, sent: boolean): void {
    link.wantsHave = true;
    link.wantsSent = sent;
    const promised = sent ? this.sent.sentOf(root, this.have.size) : undefined;
    this.say(link, { kind: "have", held: chunksOf(this.have), sent: promised && chunksOf(promised) });
  }

  onHashes(link: UploadLink): void {
    this.say(link, { kind: "hashes" });
  }

  onGet(link: UploadLink, request: number, first: number, count: number): void {
    const { nowMs } = this.world;
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      if (!this.have.has(first + i)) throw new Error(`asked for chunk ${first + i}, which it does not have`);
      bytes += this.world.chunkBytes(first + i);
    }
    const retryMs = this.turns.busyRetryMs(link.id, link.host, bytes, nowMs);
    if (retryMs !== undefined) {
      this.say(link, { kind: "busy", request, retryMs });
      return;
    }
    this.turns.onGet(link.id, link.host, bytes, nowMs);
    const leftBytes = this.world.chunkBytes(first);
    link.requests.push({ request, chunk: first, chunksLeft: count, leftBytes });
    for (const chunk of this.sent.add(root, this.have.size, first, count)) {
      for (const each of this.links) if (each.wantsSent) this.say(each, { kind: "sent-news", chunk });
    }
    this.serve();
  }

  /** Some of what was on its way has arrived. */
  onArrived(link: UploadLink, bytes: number): void {
    link.inFlightBytes -= bytes;
    if (!link.blocked) return;
    link.blocked = false;
    this.turns.onDrained(link.id);
    this.sendPiece();
  }

  /** This peer has one chunk more. */
  announce(chunk: number): void {
    for (const link of this.links) if (link.wantsHave) this.say(link, { kind: "have-news", chunk });
  }

  // --- the line ---

  private say(link: UploadLink, message: Message): void {
    if (this.isInBody(link)) link.held.push(message);
    else this.world.deliver(link, message);
  }

  private isInBody({ requests: [current] }: UploadLink): boolean {
    return current !== undefined && current.leftBytes < this.world.chunkBytes(current.chunk);
  }

  private serve(): void {
    const { nowMs } = this.world;
    for (let id = this.turns.nextToServe(nowMs); id !== undefined; id = this.turns.nextToServe(nowMs)) {
      for (const link of this.links) if (link.id === id) this.active.push(link);
      if (this.active.length > 64) throw new Error("more served at a time than allowed");
    }
    this.sendPiece();
    const wakeupMs = this.turns.nextWakeupMs(nowMs);
    if (wakeupMs >= this.wakeupMs) return;
    this.wakeupMs = wakeupMs;
    this.world.at(wakeupMs, () => {
      this.wakeupMs = Number.POSITIVE_INFINITY;
      this.serve();
    });
  }

  private sendPiece(): void {
    if (this.sending) return;
    const at = this.active.findIndex((link) => !link.blocked);
    if (at === -1) return;
    const link = this.active[at];
    const bytes = Math.min(link!.pieceBytes, link!.requests[0]!.leftBytes);
    const { nowMs } = this.world;
    const startMs = endOf(this.plan.silent, nowMs);
    this.sending = true;
    this.world.at(startMs + bytes / this.plan.upBytesPerMs, () => {
      this.sending = false;
      if (link!.open) this.sentPiece(link!, bytes);
      this.sendPiece();
    });
  }

  private sentPiece(link: UploadLink, bytes: number): void {
    const { nowMs } = this.world;
    const current = link.requests[0]!;
    this.sentBytes += bytes;
    current.leftBytes -= bytes;
    link.inFlightBytes += bytes;
    this.turns.onSent(link.id, bytes, nowMs);
    const right = !this.world.chance(this.plan.lieProbability);
    const { request, chunk } = current;
    const chunkDone = current.leftBytes === 0 ? { request, chunk, right } : undefined;
    this.world.deliver(link, { kind: "piece", bytes, chunkDone });
    if (chunkDone !== undefined) this.endChunk(link, current);
    if (link.inFlightBytes + link.pieceBytes <= link.windowBytes) return;
    link.blocked = true;
    this.turns.onBlocked(link.id, nowMs);
  }

  private endChunk(link: UploadLink, current: UploadLink["requests"][number]): void {
    if (--current.chunksLeft > 0) {
      current.leftBytes = this.world.chunkBytes(++current.chunk);
      return;
    }
    link.requests.shift();
    this.active.splice(this.active.indexOf(link), 1);
    this.turns.onRequestDone(link.id, this.world.nowMs);
    for (const message of link.held.splice(0)) this.world.deliver(link, message);
    this.serve();
  }
}

function chunksOf(field: Bitfield): number[] {
  const chunks: number[] = [];
  for (let chunk = 0; chunk < field.size; chunk++) if (field.has(chunk)) chunks.push(chunk);
  return chunks;
}
