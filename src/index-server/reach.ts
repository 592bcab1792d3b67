/**
 * In a private network a peer is named to others only after the index has connected to where they will be sent, and
 * found that very machine there. To the address that it sees the peer at, that is, or to one that whoever runs the
 * index allows: connecting to any address somebody claims would make the index a tool against third parties. What is
 * sent there is TLS and the proof of `net/proving.ts`: no byte is of the peer's choice.
 */
import { formatAddress } from "../address.ts";
import { AuthenticationError, reasonOf } from "../errors.ts";
import { connect } from "../net/connect.ts";
import { printable } from "../printable.ts";
import type { Membership } from "../trust/membership.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import { maxReachProbes, reachIntervalMs, reachTimeoutMs } from "../wire/limits.ts";
import { ProtocolError } from "../wire/protocol-error.ts";

export interface ReachOptions {
  membership(): Membership;
  /** Whether a peer may be reached at an address that is not the one the index sees it at. */
  mayAdvertise(host: string): boolean;
  nowMs(): number;
}

export interface Place {
  readonly host: string;
  readonly port: number;
  readonly fingerprint: Fingerprint;
}

interface Probe {
  readonly fingerprint: Fingerprint;
  readonly atMs: number;
  /** Undefined: it was reached. */
  readonly outcome: Promise<string | undefined>;
}

export class Reach {
  /** By address: also those that have been answered, as long as they are fresh; the oldest first. */
  private readonly probes = new Map<string, Probe>();
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly options: ReachOptions) {}

  /**
   * Where others are sent: `claimed`, or where the peer is `seen`. Throws ProtocolError UNREACHABLE, in words that are
   * for the peer.
   */
  placeOf(seen: string, claimed: string | undefined): string {
    if (claimed === undefined || claimed === seen) return seen;
    if (this.options.mayAdvertise(claimed)) return claimed;
    throw unreachable(
      `${claimed} is not where the index sees this peer (${seen}), and not among the addresses that it allows ` +
        "(--allow-advertise)",
    );
  }

  /** Rejects with ProtocolError UNREACHABLE. Tries one address at most once in `reachIntervalMs`. */
  async check(place: Place): Promise<void> {
    const nowMs = this.options.nowMs();
    this.forgetOld(nowMs);
    const key = formatAddress(place);
    let probe = this.probes.get(key);
    if (probe !== undefined && probe.fingerprint !== place.fingerprint)
      throw unreachable(`another machine has just been looked for at ${key}: try again in a minute`);
    if (probe === undefined) {
      probe = { fingerprint: place.fingerprint, atMs: nowMs, outcome: this.inTurn(() => this.reach(place)) };
      this.probes.set(key, probe);
    }
    const problem = await probe.outcome;
    if (problem !== undefined) throw unreachable(`nobody can fetch from ${key}: ${problem}`);
  }

  /** Of its own connection's end, say: the next time it is looked for anew. */
  private forgetOld(nowMs: number): void {
    for (const [key, { atMs }] of this.probes) {
      if (nowMs - atMs < reachIntervalMs) return;
      this.probes.delete(key);
    }
  }

  private async inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.running >= maxReachProbes) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running++;
    try {
      return await run();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
    }
  }

  /** Never rejects. */
  private async reach({ host, port, fingerprint: expected }: Place): Promise<string | undefined> {
    const nobody = { onLine: () => 0, onClose: () => {} };
    const secure = { membership: this.options.membership(), purpose: "peer" as const, expected };
    try {
      const connection = await connect({ host, port }, nobody, { timeoutMs: reachTimeoutMs, secure });
      connection.destroy();
      return undefined;
    } catch (error) {
      if (error instanceof AuthenticationError)
        return "another machine answers there, or none of this network";
      return printable(reasonOf(error));
    }
  }
}

function unreachable(detail: string): ProtocolError {
  return new ProtocolError("UNREACHABLE", null, detail);
}
