/**
 * What must hold in every run, whatever the sources do: told every action of the scheduler and every fact it was told,
 * throws at the first breach. Keeps its own books and looks into nothing.
 */
import type { Outcome } from "../../src/transfer/outcome.ts";
import type { Action } from "../../src/transfer/scheduler.ts";
import { mebibyte, type WorldPlan } from "./plan.ts";
import type { Sent } from "./simulated-source.ts";

/** A connection as far as anybody can tell from outside. */
interface Seen {
  host: string;
  ready: boolean;
  openedMs: number;
  /** Chunks that are asked for and have not come, by request. */
  requests: Map<number, Set<number>>;
  owesHashes: boolean;
  /** When something that counts last came, or the first debt was made. */
  heardMs: number;
  unheardBytes: number;
  /** Undefined: all. */
  held: Set<number> | undefined;
  askedHave: boolean;
}

const maxConnectionsPerSource = 4;
const maxRequestsPerConnection = 256;
/** Less than this is still silence (STATES.md). */
const leastBytes = 4 * 1024;
/** Sums and differences of the same times differ in the last bits. */
const roundingMs = 1e-6;

export class Rules {
  readonly verified: Set<number>;
  private readonly seen = new Map<number, Seen>();
  private readonly busyUntilMs = new Map<string, number>();
  private readonly excluded = new Map<string, "wrong data" | "gone">();
  private listed = new Set<string>();
  private readonly arrivals: { atMs: number; bytes: number }[] = [];
  private unverifiedBytes = 0;
  private lastLifeMs = 0;
  private hashesKnown: boolean;
  private lastVerifiedMs = 0;
  private ended = false;

  constructor(private readonly plan: WorldPlan) {
    this.verified = new Set(plan.verified);
    this.hashesKnown = !plan.needsHashes;
  }

  private get chunkCount(): number {
    return Math.ceil(this.plan.sizeBytes / mebibyte);
  }

  // --- facts ---

  onIndexAnswer(hosts: string[], whole: boolean): void {
    this.listed = new Set(whole ? hosts : [...this.listed, ...hosts]);
  }

  onConnected(id: number, nowMs: number): void {
    const seen = this.seen.get(id);
    if (seen === undefined) return;
    seen.ready = true;
    seen.heardMs = nowMs;
  }

  onClosed(id: number): void {
    this.seen.delete(id);
  }

  /** `counted`: the scheduler took it for a chunk that it had not had. */
  onSent(id: number, sent: Sent, counted: boolean, nowMs: number): void {
    if ("bytes" in sent) this.onBytes(sent.bytes, nowMs);
    const seen = this.seen.get(id);
    if (seen !== undefined) this.follow(seen, sent, nowMs);
    if (sent.kind === "hashes" && sent.right) {
      this.hashesKnown = true;
      this.onVerified(nowMs);
    }
    if (sent.kind !== "chunk" || !sent.right) {
      check(!counted, `${sent.kind} was counted as a chunk`);
      return;
    }
    check(counted !== this.verified.has(sent.chunk), `chunk ${sent.chunk} was counted twice or not at all`);
    if (counted) this.onVerified(nowMs);
    this.verified.add(sent.chunk);
  }

  private onBytes(bytes: number, nowMs: number): void {
    this.arrivals.push({ atMs: nowMs, bytes });
    this.unverifiedBytes += bytes;
    if (!this.isFruitless) this.lastLifeMs = nowMs;
  }

  private onVerified(nowMs: number): void {
    this.unverifiedBytes = 0;
    this.lastVerifiedMs = nowMs;
    this.lastLifeMs = nowMs;
  }

  /** More came than two chunks on each connection, and nothing came of it. */
  private get isFruitless(): boolean {
    return this.unverifiedBytes > 2 * this.plan.maxConnections * mebibyte + 32 * this.chunkCount;
  }

  private follow(seen: Seen, sent: Sent, nowMs: number): void {
    if ("bytes" in sent) {
      seen.unheardBytes += sent.bytes;
      if (seen.unheardBytes >= leastBytes || sent.kind !== "bytes") {
        seen.heardMs = nowMs;
        seen.unheardBytes = 0;
      }
    }
    if (sent.kind === "hashes") seen.owesHashes = false;
    if (sent.kind === "chunk" && sent.right) {
      const chunks = seen.requests.get(sent.request);
      chunks?.delete(sent.chunk);
      if (chunks?.size === 0) seen.requests.delete(sent.request);
    }
    if (sent.kind === "held" && seen.held !== undefined)
      for (const chunk of sent.chunks) seen.held.add(chunk);
    if (sent.kind === "held-news") seen.held?.add(sent.chunk);
    if (sent.kind === "busy") {
      seen.requests.delete(sent.request);
      seen.heardMs = nowMs;
      seen.unheardBytes = 0;
      this.busyUntilMs.set(seen.host, nowMs + Math.max(20, Math.min(10_000, sent.retryMs)));
    }
    const lied = sent.kind === "wrong-answer" || ("right" in sent && !sent.right);
    if (lied) this.excluded.set(seen.host, "wrong data");
    if (sent.kind === "gone") this.excluded.set(seen.host, "gone");
  }

  // --- actions ---

  onAction(action: Action, nowMs: number): void {
    check(!this.ended || action.do === "close", `${action.do} after the end`);
    if (action.do === "ask-index") return;
    if (action.do === "connect") {
      this.onConnect(action, nowMs);
      return;
    }
    if (action.do === "close") {
      this.seen.delete(action.connection);
      return;
    }
    const seen = this.seen.get(action.connection);
    check(seen !== undefined, `${action.do} on a connection that does not exist`);
    check(seen.ready || action.do !== "get", "get on a connection that is not ready");
    check(!this.excluded.has(seen.host), `${action.do} to the excluded ${seen.host}`);
    if (seen.requests.size === 0 && !seen.owesHashes) {
      seen.heardMs = nowMs;
      seen.unheardBytes = 0;
    }
    if (action.do === "have") {
      const same = [...this.seen.values()].filter(({ host }) => host === seen.host);
      check(!same.some(({ askedHave }) => askedHave), "HAVE asked again");
      check(
        action.sent === (seen.held === undefined),
        "sent asked of a partial source, or not of a whole one",
      );
      seen.askedHave = true;
    } else if (action.do === "hashes") {
      check(!this.hashesKnown, "hashes asked for that are known");
      check(!seen.owesHashes, "hashes asked for twice on a connection");
      seen.owesHashes = true;
    } else {
      this.onGet(seen, action, nowMs);
    }
  }

  private onConnect({ host, connection }: Action & { do: "connect" }, nowMs: number): void {
    check(!this.excluded.has(host), `connect to the excluded ${host}`);
    check(this.listed.has(host), `connect to ${host}, which the index does not name`);
    const all = [...this.seen.values()];
    check(all.filter((seen) => seen.host === host).length < maxConnectionsPerSource, `too many to ${host}`);
    const working = all.filter((seen) => this.works(seen, nowMs)).length;
    check(working < this.plan.maxConnections, "more connections than allowed");
    const alive = all.filter((seen) => this.works(seen, nowMs) || !this.isSilent(seen, nowMs)).length;
    check(alive < 2 * this.plan.maxConnections, "more connections than twice as many as may work");
    const source = this.plan.sources.find((each) => each.host === host);
    this.seen.set(connection, {
      host,
      ready: false,
      openedMs: nowMs,
      requests: new Map(),
      owesHashes: false,
      heardMs: nowMs,
      unheardBytes: 0,
      held: source?.heldFromMs === undefined ? undefined : new Set(),
      askedHave: false,
    });
  }

  /** Not silent for too long, and not idle for want of chunks. */
  private works(seen: Seen, nowMs: number): boolean {
    if (this.isSilent(seen, nowMs)) return false;
    return !seen.ready || seen.requests.size > 0 || seen.owesHashes || seen.held === undefined;
  }

  private isSilent(seen: Seen, nowMs: number): boolean {
    if (!seen.ready) return nowMs + roundingMs >= seen.openedMs + 1_000;
    if (seen.requests.size === 0 && !seen.owesHashes) return false;
    return nowMs + roundingMs >= seen.heardMs + 2_000;
  }

  private onGet(seen: Seen, { request, first, count }: Action & { do: "get" }, nowMs: number): void {
    const range = `chunks ${first} to ${first + count - 1}`;
    check(nowMs >= (this.busyUntilMs.get(seen.host) ?? 0), `asked ${seen.host}, which is busy`);
    check(this.hashesKnown, "GET before the chunk hashes are known");
    check(Number.isInteger(first) && first >= 0 && count >= 1, `no range: ${range}`);
    check(first + count <= this.chunkCount, `outside the content: ${range}`);
    check(count <= this.plan.maxRequestChunks, `longer than allowed: ${range}`);
    check(seen.requests.size < maxRequestsPerConnection, "more requests on one connection than allowed");
    check(
      ![...this.seen.values()].some(({ requests }) => requests.has(request)),
      "a request's number used twice",
    );
    const chunks = Array.from({ length: count }, (_, i) => first + i);
    for (const chunk of chunks) {
      check(!this.verified.has(chunk), `asked for verified chunk ${chunk}`);
      check(this.has(seen, chunk), `asked ${seen.host} for chunk ${chunk}, which it does not have`);
      check(![...seen.requests.values()].some((each) => each.has(chunk)), `asked twice for chunk ${chunk}`);
    }
    seen.requests.set(request, new Set(chunks));
  }

  /** It said so on this connection or on another. */
  private has({ host, held }: Seen, chunk: number): boolean {
    if (held === undefined) return true;
    return [...this.seen.values()].some((each) => each.host === host && each.held?.has(chunk) === true);
  }

  /** Whether somebody is being asked for the chunk. */
  isAskedFor(chunk: number): boolean {
    const requests = [...this.seen.values()].flatMap((seen) => [...seen.requests.values()]);
    return requests.some((each) => each.has(chunk));
  }

  // --- the end ---

  onOutcome(outcome: Outcome, nowMs: number): void {
    this.ended = true;
    const whole = this.verified.size === this.chunkCount;
    check((outcome.kind === "complete") === whole, `${outcome.kind} with ${this.verified.size} chunks`);
    const connected = [...this.seen.values()].map(({ host }) => host);
    const candidates = [...this.listed, ...connected].filter((host) => !this.excluded.has(host));
    const lied = [...this.excluded.values()].includes("wrong data");
    const lastSecond = this.arrivals.filter(({ atMs }) => atMs > nowMs - 1_000);
    const littleArrives = lastSecond.reduce((sum, { bytes }) => sum + bytes, 0) < 12 * 1024;
    const isLate = nowMs + roundingMs >= this.lastVerifiedMs + this.plan.timeoutMs;
    // Bytes alone are life for 5 minutes at most.
    const isHopeless = nowMs + roundingMs >= this.lastVerifiedMs + 300_000;
    const overdue = isLate && (littleArrives || this.isFruitless || isHopeless);
    switch (outcome.kind) {
      case "complete":
        return;
      case "timeout":
        check(overdue, "timeout although something came");
        return;
      case "wrong-data":
        check(lied, "wrong data although nobody lied");
        check(candidates.length === 0 || overdue, `wrong data with ${candidates} left`);
        return;
      case "gone":
        check(!lied && this.excluded.size > 0, "gone although nobody said so");
        check(candidates.length === 0, `gone with ${candidates} left`);
    }
  }

  /** It goes on: is there still reason to? */
  onGoingOn(nowMs: number): void {
    check(
      nowMs <= this.lastLifeMs + roundingMs + this.plan.timeoutMs,
      "nothing came for longer than the timeout",
    );
  }
}

function check(holds: boolean, breach: string): asserts holds {
  if (!holds) throw new Error(breach);
}
