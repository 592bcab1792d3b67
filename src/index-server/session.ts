/**
 * One connection to the index, without the connection: which message is legal now, and what is to be done about
 * it. No socket, no table, no clock: whoever drives it (index-connection.ts) does what it says and tells it how
 * that went.
 */
import { decodeIndexRequest } from "../wire/decode-index-request.ts";
import { decodeHello } from "../wire/decode-parts.ts";
import { encodeOk, encodeWelcome } from "../wire/encode.ts";
import { claimedType } from "../wire/json.ts";
import { maxIndexQuestionLineBytes } from "../wire/limits.ts";
import type { List, Query, Search, Unsubscribe, Watch } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Browse, PeersRequest, StatsRequest } from "../wire/view-messages.ts";
import type { ChangeType } from "./catalog.ts";

/** A REGISTER or UPDATE. The store decodes the whole of it: that takes longer than others should wait here. */
export interface Change {
  type: ChangeType;
  id: number;
  line: Uint8Array;
}

export type SlowRead = Search | List | Browse;

/** Requests that take long: done one after the other, and answered when they are. */
export type LongRequest = Change | SlowRead;

export function isChange(request: LongRequest): request is Change {
  return "line" in request;
}

export type Step =
  | { do: "answer"; line: string }
  | { do: "find"; query: Query }
  | { do: "watch"; request: Watch }
  | { do: "unsubscribe"; request: Unsubscribe }
  | { do: "show"; request: PeersRequest | StatsRequest }
  | { do: "work"; request: LongRequest };

/**
 * Long requests of one connection that may wait, before reading from it stops. Four UPDATEs of 2,000 files are a turn of
 * the writing thread (80 ms); as many more arrive meanwhile, so that it never rests (a third faster than with two).
 */
const maxWaiting = 7;

/** As every client of ours begins such a line. Others are decoded here to see what they are. */
const changeStart = /^\{"type":"(REGISTER|UPDATE)","id":(0|[1-9]\d{0,14})[,}]/;
const maxStartBytes = 48;
/** Where the type begins in it, and with what: only of these the whole start is looked at. */
const typeAt = '{"type":"'.length;
const startsOfTypes = Buffer.from("RU");

export class IndexSession {
  private hasGreeted = false;
  /** A REGISTER was taken on; of those that are over, the last one that was not refused was done. */
  private isRegistered = false;
  private hasRegistered = false;
  private waiting = 0;

  constructor(private readonly welcome: { agent: string; epoch: string }) {}

  get greeted(): boolean {
    return this.hasGreeted;
  }

  /** A REGISTER was accepted (or is being applied): from now on silence means that the peer is gone. */
  get registered(): boolean {
    return this.isRegistered;
  }

  /**
   * Whether an UPDATE whose turn has come may be done. That it was taken on is not enough: what came before it may have
   * been refused, and a REGISTER behind it taken on since.
   */
  get mayUpdate(): boolean {
    return this.hasRegistered;
  }

  /** Long requests taken on and not answered. */
  get unanswered(): number {
    return this.waiting;
  }

  /** Reading should stop until something is answered. */
  get full(): boolean {
    return this.waiting > maxWaiting;
  }

  /** Throws ProtocolError for whatever is wrong with the line, or with its coming now. */
  onLine(line: Uint8Array): Step {
    if (!this.hasGreeted) {
      decodeHello(line);
      this.hasGreeted = true;
      return { do: "answer", line: encodeWelcome(this.welcome.agent, this.welcome.epoch) };
    }
    const change = changeOf(line);
    if (change !== undefined) return this.onChange(change, line);
    checkLength(line, claimedType);
    const request = decodeIndexRequest(line);
    checkLength(line, () => request.type);
    switch (request.type) {
      case "PING":
        return { do: "answer", line: encodeOk(request.id) };
      case "QUERY":
        return { do: "find", query: request };
      case "UNSUBSCRIBE":
        return { do: "unsubscribe", request };
      case "PEERS":
      case "STATS":
        return { do: "show", request };
      case "WATCH":
        return { do: "watch", request };
      case "REGISTER":
      case "UPDATE":
        return this.onChange(request, line);
      case "SEARCH":
      case "LIST":
      case "BROWSE":
        this.waiting++;
        return { do: "work", request };
    }
  }

  /** A long request is done. */
  onDone(request: LongRequest): void {
    this.waiting--;
    if (request.type !== "REGISTER") return;
    this.hasRegistered = true;
    // Also when one before it has failed since it was taken on.
    this.isRegistered = true;
  }

  /**
   * A long request failed: `refused` before anything of it was done, else perhaps in part. An UPDATE can be said
   * again whatever was done of it; after half a REGISTER only another one makes sense.
   */
  onFailed(request: LongRequest, refused: boolean): void {
    this.waiting--;
    if (request.type !== "REGISTER") return;
    if (!refused) this.hasRegistered = false;
    this.isRegistered = this.hasRegistered;
  }

  // --- internal ---

  private onChange({ type, id }: Omit<Change, "line">, line: Uint8Array): Step {
    if (type === "REGISTER") this.isRegistered = true;
    else if (!this.isRegistered) throw new ProtocolError("BAD_STATE", id, "REGISTER comes first");
    this.waiting++;
    // What came lies in a buffer that is used again.
    return { do: "work", request: { type, id, line: new Uint8Array(line) } };
  }
}

/** Throws LINE_TOO_LONG for what is longer than a question and nothing else: a client that floods us is gone after one. */
function checkLength(line: Uint8Array, typeOf: (line: Uint8Array) => string | undefined): void {
  if (line.length <= maxIndexQuestionLineBytes) return;
  const type = typeOf(line);
  if (type !== "REGISTER" && type !== "UPDATE") throw new ProtocolError("LINE_TOO_LONG");
}

/** Undefined when that does not show at its start. What stands further on may contradict it: the store finds out. */
function changeOf(line: Uint8Array): Omit<Change, "line"> | undefined {
  const first = line[typeAt];
  if (first !== startsOfTypes[0] && first !== startsOfTypes[1]) return undefined;
  const start = String.fromCharCode(...line.subarray(0, maxStartBytes));
  const [, type, id] = changeStart.exec(start) ?? [];
  if (type === undefined) return undefined;
  return { type: type as ChangeType, id: Number(id) };
}
