/**
 * REGISTER and UPDATE: whose turn it is, and what is written in one go. The more files a statement has, the less each of
 * them takes: so UPDATEs of a peer that wait are joined; and while PostgreSQL writes some, the next are made ready. How
 * a change gets into the tables, change-writer.ts knows.
 */
import { setImmediate } from "node:timers/promises";
import { monotonicMs } from "../../clock.ts";
import { decodeIndexRequest } from "../../wire/decode-index-request.ts";
import type { Register, Update } from "../../wire/messages.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { type Applied, type ChangeType, StoreError } from "../catalog.ts";
import { type Change, changeOf, haveNamesInCommon, joined } from "./change-plan.ts";
import { type ChangeParts, ChangeWriter, heldAfter, type PreparedChange } from "./change-writer.ts";
import { keyed, keyOf } from "./keys.ts";
import type { Held, OwnPeer } from "./own-peer.ts";
import { Pace } from "./pace.ts";
import { Turns } from "./turns.ts";
import type { WaitingChange } from "./waiting-changes.ts";

/** Of different peers at once: PostgreSQL works on as many. */
const changesAtOnce = 3;

interface Request {
  readonly waiting: WaitingChange;
  readonly asked: Register | Update;
  readonly change: Change;
}

/** What is written in one go: a REGISTER, or UPDATEs that followed each other. */
interface Group {
  readonly requests: readonly [Request, ...Request[]];
  readonly change: Change;
  /** As far as it could be made ready. */
  readonly prepared?: PreparedChange | undefined;
  readonly preparedMs?: number | undefined;
}

export class Changes {
  private readonly turns = new Turns(changesAtOnce);
  private readonly pace = new Pace();
  private readonly writer: ChangeWriter;
  /** Not applied yet. */
  waiting = 0;

  constructor(parts: ChangeParts) {
    this.writer = new ChangeWriter(parts);
  }

  apply(peer: OwnPeer, type: ChangeType, line: Uint8Array): Promise<Applied> {
    this.waiting++;
    const { promise, resolve, reject } = Promise.withResolvers<Applied>();
    peer.waiting.add({ type, line, done: resolve, failed: reject });
    peer.served ??= this.serve(peer);
    return promise.finally(() => this.waiting--);
  }

  get isBusy(): boolean {
    return this.waiting > 0;
  }

  // --- internal ---

  /** Never rejects. */
  private async serve(peer: OwnPeer): Promise<void> {
    let begun: Group | undefined;
    do {
      const former = begun;
      begun = await this.turns.run(() => this.serveTurn(peer, former));
    } while (begun !== undefined || peer.waiting.first !== undefined);
    peer.served = undefined;
  }

  /** For as long as nobody else waits for a turn. Returns what it has begun by then. */
  private async serveTurn(peer: OwnPeer, begun: Group | undefined): Promise<Group | undefined> {
    let group = begun ?? (await this.gather(peer));
    while (group !== undefined) {
      const isReady = group.prepared !== undefined || peer.isUncertain;
      const ready = isReady ? group : await this.prepared(peer, group);
      if (ready === undefined) return undefined;
      const written = this.carryOut(peer, ready);
      const next = this.turns.areWanted ? undefined : await this.gatherNext(peer, ready, written);
      await written;
      if (this.turns.areWanted) return next;
      group = next;
    }
    return undefined;
  }

  /** What comes until `before` is written; if it is enough by then, made for what the peer will hold. */
  private async gatherNext(peer: OwnPeer, before: Group, written: Promise<void>): Promise<Group | undefined> {
    let isWritten = false;
    void written.then(() => {
      isWritten = true;
    });
    const group = await this.gather(peer, written);
    if (group === undefined || isWritten || before.prepared === undefined) return group;
    if (haveNamesInCommon(before.change, group.change)) return group;
    return await this.prepared(peer, group, heldAfter(before.prepared));
  }

  /** `ahead`: what the peer will hold, when that is still being written. Undefined when it failed, and that was told. */
  private async prepared(peer: OwnPeer, group: Group, ahead?: Held): Promise<Group | undefined> {
    if (isClaim(group)) return group;
    const { writer } = this;
    const given = toWrite(group);
    const startMs = monotonicMs();
    try {
      const prepared =
        ahead === undefined
          ? await writer.prepare(peer, given, peer.held)
          : await writer.prepareAhead(peer, given, ahead);
      return { ...group, prepared, preparedMs: monotonicMs() - startMs };
    } catch (error) {
      this.fail(peer, group, error);
      return undefined;
    }
  }

  /**
   * Takes what waits, as far as it can be written in one go; and with `end`, what comes until then. Decoded line by line,
   * because others are answered in between, and only now: what waits is as small as it came.
   */
  private async gather(peer: OwnPeer, end?: Promise<void>): Promise<Group | undefined> {
    let group: Group | undefined;
    let hasEnded = false;
    void end?.then(() => {
      hasEnded = true;
    });
    for (;;) {
      const { first } = peer.waiting;
      const isEnd = end === undefined || hasEnded;
      if (first === undefined && isEnd) return group;
      if (group !== undefined && (hasEnded || this.isWhole(group, first?.type))) return group;
      if (first === undefined) {
        await peer.waiting.arrival(end!);
        continue;
      }
      const request = requestOf(peer, peer.waiting.take()!);
      if (request !== undefined) group = extended(group, request);
      await setImmediate();
    }
  }

  /** Whether a request of that kind that waits has to wait for another turn. */
  private isWhole({ requests: [first], change }: Group, next: ChangeType | undefined): boolean {
    if (first.asked.type === "REGISTER" || next === "REGISTER" || this.turns.areWanted) return true;
    return change.add.size + (change.remove?.size ?? 0) >= this.pace.files;
  }

  /** Writes and answers it. Never rejects. */
  private async carryOut(peer: OwnPeer, group: Group): Promise<void> {
    const { requests, change, preparedMs = 0 } = group;
    const startMs = monotonicMs();
    try {
      const held = await this.written(peer, group);
      this.pace.took(change.add.size, Math.max(preparedMs, monotonicMs() - startMs));
      for (const { waiting, asked } of requests) waiting.done({ id: asked.id, held });
    } catch (error) {
      if (error instanceof ProtocolError && requests.length > 1) {
        // Nothing was done of it; and some of them alone are not too much.
        for (const one of requests) await this.carryOut(peer, extended(undefined, one));
        return;
      }
      this.fail(peer, group, error);
    }
  }

  private fail(peer: OwnPeer, { requests }: Group, error: unknown): void {
    for (const { waiting } of requests) waiting.failed(error);
    if (!(error instanceof StoreError)) return;
    this.pace.failed();
    // What came after them would wait as long once more, and might be done before them.
    for (let next = peer.waiting.take(); next !== undefined; next = peer.waiting.take()) next.failed(error);
  }

  /** Of a REGISTER with a digest: whether the peer has what it describes. */
  private async written(peer: OwnPeer, group: Group): Promise<boolean | undefined> {
    const { asked } = group.requests[0];
    if (asked.type === "REGISTER" && asked.library !== undefined)
      return await this.writer.claim(peer, asked.port, asked.library);
    await this.writer.write(peer, toWrite(group), group.prepared);
    return undefined;
  }
}

/** Undefined when it is refused, or in vain. */
function requestOf(peer: OwnPeer, waiting: WaitingChange): Request | undefined {
  try {
    if (peer.hasLeft) throw new StoreError("RETRY");
    const asked = decodeIndexRequest(waiting.line);
    if (asked.type !== waiting.type) throw new ProtocolError("BAD_MESSAGE", asked.id);
    const change =
      asked.type === "REGISTER"
        ? changeOf(asked.files, undefined, keyed, keyOf)
        : changeOf(asked.add, asked.remove, keyed, keyOf);
    return { waiting, asked, change };
  } catch (error) {
    waiting.failed(error);
    return undefined;
  }
}

function extended(group: Group | undefined, request: Request): Group {
  if (group === undefined) return { requests: [request], change: request.change };
  return { requests: [...group.requests, request], change: joined(group.change, request.change) };
}

function isClaim({ requests: [{ asked }] }: Group): boolean {
  return asked.type === "REGISTER" && asked.library !== undefined;
}

function toWrite({ requests: [{ asked }], change }: Group) {
  return { id: asked.id, change, newPort: asked.type === "REGISTER" ? asked.port : undefined };
}
