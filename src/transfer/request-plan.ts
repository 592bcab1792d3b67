/**
 * What each connection is asked for next: what it has, the chunk hashes, which chunks, and from whom first. How far
 * ahead is told by `pipeline.ts`, who races at the end by `race.ts`. Pure; a part of the scheduler, which owns the
 * states this looks at.
 */
import type { Bitfield } from "../content/bitfield.ts";
import { addRequest, owes, startOwing } from "./debts.ts";
import type { ChunkPicker, ChunkRange, Offer } from "./pick.ts";
import { exceptional, isHeldUpAtMs, nextRequestChunks, swarmRoomChunks, trialEndsAtMs } from "./pipeline.ts";
import { claimRace, mayRace } from "./race.ts";
import { RateMeter } from "./rate-meter.ts";
import { shuffled } from "./shuffled.ts";
import type { Source, SourceConnection } from "./source.ts";
import type { SourceTable } from "./source-table.ts";

export type Ask =
  /** `sent`: also which chunks it has sent to anybody. */
  | { do: "have"; connection: number; sent: boolean }
  | { do: "hashes"; connection: number }
  | { do: "get"; connection: number; request: number; first: number; count: number };

type Claim = (connection: SourceConnection, maxCount: number) => ChunkRange | undefined;

export class RequestPlan {
  private lastRequestId = 0;
  private readonly arriving: RateMeter;

  constructor(
    private readonly table: SourceTable,
    private readonly picker: ChunkPicker,
    private readonly options: { maxRequestChunks: number; random: () => number },
    nowMs: number,
  ) {
    this.arriving = new RateMeter(nowMs);
  }

  onBytes(bytes: number, nowMs: number): void {
    this.arriving.add(bytes, nowMs);
  }

  /** Everything that can be asked for now; it is owed from now on. */
  next(needsHashes: boolean, nowMs: number): Ask[] {
    const asks: Ask[] = [];
    this.askWhatTheyHave(asks);
    if (needsHashes) this.askForHashes(asks, nowMs);
    else this.askForChunks(asks, nowMs);
    return asks;
  }

  /** When something can be asked for that cannot be now, although nothing came. */
  nextMs(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    if (!this.table.isSwarm) return next;
    for (const connection of this.table.connections) {
      for (const atMs of [trialEndsAtMs(connection), isHeldUpAtMs(connection)]) {
        if (atMs > nowMs) next = Math.min(next, atMs);
      }
    }
    return next;
  }

  /**
   * On one connection of each source, as soon as it is to be made: the question leaves with HELLO. Of a single chunk
   * there is no part, and nothing to choose.
   */
  private askWhatTheyHave(asks: Ask[]): void {
    if (this.picker.size < 2) return;
    for (const connection of this.table.connections) {
      const { source } = connection;
      if (connection.subscribed || source.files !== undefined) continue;
      if (this.table.connectionsOf(source).some(({ subscribed }) => subscribed)) continue;
      connection.subscribed = true;
      asks.push({ do: "have", connection: connection.id, sent: source.held === undefined });
    }
  }

  /**
   * One source at a time, one that is silent on another connection last. While nobody has said WELCOME one that may do
   * so is asked, with HELLO; that keeps nobody who has from being asked.
   */
  private askForHashes(asks: Ask[], nowMs: number): void {
    const connections = [...this.table.connections].filter(({ stalled }) => !stalled);
    const asked = connections.filter(({ owesHashes }) => owesHashes);
    if (asked.some(({ ready }) => ready)) return;
    const welcome = connections.filter(({ ready }) => ready);
    const isHeardOf = ({ source }: SourceConnection) =>
      !this.table.connectionsOf(source).some(({ stalled }) => stalled);
    const unwelcome = asked.length === 0 ? connections[0] : undefined;
    const next = welcome.find(isHeardOf) ?? welcome[0] ?? unwelcome;
    if (next === undefined) return;
    startOwing(next, nowMs);
    next.owesHashes = true;
    asks.push({ do: "hashes", connection: next.id });
  }

  private askForChunks(asks: Ask[], nowMs: number): void {
    if (this.picker.unclaimedCount > 0) {
      if (this.table.isSwarm && !this.picker.isOrdered) this.askSwarm(asks, nowMs);
      else this.askInRounds([...this.table.connections], this.claimInOrder, Infinity, asks, nowMs);
    }
    this.askInRace(asks, nowMs);
  }

  private askInRace(asks: Ask[], nowMs: number): void {
    if (!mayRace(this.table, nowMs)) return;
    for (const connection of this.table.connections) {
      if (owes(connection)) continue;
      const range = claimRace(connection, this.picker, this.table, nowMs);
      if (range !== undefined) asks.push(this.request(connection, range, nowMs));
    }
  }

  /**
   * First what only the whole sources have and have not sent yet: everybody needs it, and nobody else can give it. Then
   * the rarest of what the others have. What the whole ones have sent already is theirs last.
   */
  private askSwarm(asks: Ask[], nowMs: number): void {
    const whole: SourceConnection[] = [];
    const partial: SourceConnection[] = [];
    for (const connection of this.table.connections) {
      if (connection.source.held === undefined) whole.push(connection);
      else if (connection.source.useful > 0) partial.push(connection);
    }
    this.askInRounds(whole, this.claimUnseen, Infinity, asks, nowMs);
    const arriving = this.arriving.bytesPerSecond(nowMs);
    const room = swarmRoomChunks(this.table, this.picker.verifiedCount, arriving, nowMs);
    const others = shuffled(partial, this.options.random);
    const left = room - this.askInRounds(others, this.claimRarest, room, asks, nowMs);
    if (left - this.askInRounds(whole, this.claimRarest, left, asks, nowMs) > 0) return;
    const beyond = exceptional([...whole, ...others], this.table, nowMs);
    this.askInRounds(beyond, this.claimRarest, Infinity, asks, nowMs);
  }

  /** In rounds, so that all are asked before any is asked for much. Returns how many chunks. */
  private askInRounds(
    connections: readonly SourceConnection[],
    claim: Claim,
    maxChunks: number,
    asks: Ask[],
    nowMs: number,
  ): number {
    let chunks = 0;
    for (let before = -1; before < chunks; ) {
      before = chunks;
      for (const connection of connections) {
        if (chunks >= maxChunks) return chunks;
        const count = nextRequestChunks(connection, this.table, this.options.maxRequestChunks, nowMs);
        if (count === 0) continue;
        const range = claim(connection, count);
        if (range === undefined) continue;
        asks.push(this.request(connection, range, nowMs));
        chunks += range.count;
      }
    }
    return chunks;
  }

  /** Around what it has sent to others, while there are such: that would break up the order for nothing. */
  private readonly claimInOrder: Claim = ({ source }, maxCount) => {
    const { held, sent, isShared, files } = source;
    if (files !== undefined) return this.claimFile(source, files);
    const except = isShared && !this.picker.isOrdered ? sent : undefined;
    const unsent = except === undefined ? undefined : this.picker.claimInOrder(maxCount, { held, except });
    return unsent ?? this.picker.claimInOrder(maxCount, { held, except: undefined });
  };

  /** Each source has others, so each goes through its own. */
  private claimFile(source: Source, files: Bitfield): ChunkRange | undefined {
    if (source.barrenAt === this.picker.freed) return undefined;
    const range = this.picker.claimInOrder(1, { held: files, except: undefined }, source.nextFile);
    if (range === undefined) source.barrenAt = this.picker.freed;
    else source.nextFile = range.first + 1;
    return range;
  }

  private readonly claimUnseen: Claim = ({ source: { sent } }, maxCount) =>
    this.picker.claimRarest(maxCount, { held: undefined, except: sent }, 0);

  private readonly claimRarest: Claim = ({ source }, maxCount) => {
    const { held, sent } = source;
    // Nothing became free since there was nothing for it.
    if (source.barrenAt === this.picker.freed) return undefined;
    const offer: Offer = { held, except: undefined };
    const unsent = sent === undefined ? undefined : this.picker.claimRarest(maxCount, { held, except: sent });
    const range = unsent ?? this.picker.claimRarest(maxCount, offer);
    if (range === undefined) source.barrenAt = this.picker.freed;
    return range;
  };

  /** The chunks are claimed already. */
  private request(connection: SourceConnection, { first, count }: ChunkRange, nowMs: number): Ask {
    const id = ++this.lastRequestId;
    const chunks = new Set<number>();
    for (let chunk = first; chunk < first + count; chunk++) chunks.add(chunk);
    addRequest(connection, { id, chunks }, nowMs);
    return { do: "get", connection: connection.id, request: id, first, count };
  }
}
