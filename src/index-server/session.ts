/**
 * One connection to the index, without the connection: which message is legal now, and what is to be done about
 * it. No socket, no table, no clock: whoever drives it (index-connection.ts) does what it says and tells it how
 * that went.
 */
import { decodeIndexRequest } from "../wire/decode-index-request.ts";
import { decodeHello } from "../wire/decode-parts.ts";
import { encodeOk, encodeWelcome } from "../wire/encode.ts";
import type { List, Query, Register, Search, Unsubscribe, Update } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Browse, PeersRequest, StatsRequest } from "../wire/view-messages.ts";

/** Requests that take long: done in turns, one after the other, and answered when they are. */
export type LongRequest = Register | Update | Search | List | Browse;

export type Step =
  | { do: "answer"; line: string }
  | { do: "find"; query: Query }
  | { do: "unsubscribe"; request: Unsubscribe }
  | { do: "show"; request: PeersRequest | StatsRequest }
  | { do: "work"; request: LongRequest };

/** Long requests of one connection that may wait, before reading from it stops. */
const maxWaiting = 2;

export class IndexSession {
  private hasGreeted = false;
  /** A REGISTER was taken on; one was done. */
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
    const request = decodeIndexRequest(line);
    switch (request.type) {
      case "PING":
        return { do: "answer", line: encodeOk(request.id) };
      case "QUERY":
        return { do: "find", query: request };
      case "UNSUBSCRIBE":
        return { do: "unsubscribe", request };
      case "REGISTER":
        this.isRegistered = true;
        break;
      case "UPDATE":
        if (!this.isRegistered) throw new ProtocolError("BAD_STATE", request.id, "REGISTER comes first");
        break;
      case "SEARCH":
      case "LIST":
      case "BROWSE":
        break;
      case "PEERS":
      case "STATS":
        return { do: "show", request };
      case "WATCH":
        throw new ProtocolError("UNKNOWN_TYPE", request.id);
    }
    this.waiting++;
    return { do: "work", request };
  }

  /** A long request is done. */
  onDone(request: LongRequest): void {
    this.waiting--;
    if (request.type === "REGISTER") this.hasRegistered = true;
  }

  /**
   * A long request failed: `refused` before anything of it was done, else perhaps in part. An UPDATE can be said
   * again whatever was done of it; after half a REGISTER only another one makes sense.
   */
  onFailed(request: LongRequest, refused: boolean): void {
    this.waiting--;
    if (request.type !== "REGISTER") return;
    this.isRegistered = refused && this.hasRegistered;
  }
}
