/**
 * In a private network a peer is named to others only after the index has connected to where they will be sent, and
 * found that very machine there. To the address that it sees the peer at, that is, or to one that whoever runs the
 * index allows: connecting to any address somebody claims would make the index a tool against third parties. What is
 * sent there is TLS and the proof of `net/proving.ts`: no byte is of the peer's choice.
 */
import { formatAddress } from "../address.ts";
import { ArrivalRates, addressLimit, originOf } from "../net/address-limits.ts";
import { connect } from "../net/connect.ts";
import { hostGroup } from "../net/host-group.ts";
import type { Membership } from "../trust/membership.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import {
  maxReachesOfAddress,
  maxReachProbes,
  maxReachProbesOfAddress,
  reachIntervalMs,
  reachRetryMs,
  reachTimeoutMs,
  reachWindowMs,
} from "../wire/limits.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { ProbeTurns } from "./probe-turns.ts";

/** Below it are services of the system, which no peer is. */
const leastPort = 1_024;

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
  /** On the monotonic clock: until then it is not tried again. */
  untilMs: number;
  /** Whether it was reached. */
  readonly outcome: Promise<boolean>;
}

export class Reach {
  /** By address and machine, also those that have been answered: others at the same address are none of it. */
  private readonly probes = new Map<string, Probe>();
  private readonly turns = new ProbeTurns(maxReachProbes, maxReachProbesOfAddress);
  private readonly rates = new ArrivalRates(addressLimit(maxReachesOfAddress), reachWindowMs);

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

  /**
   * Rejects with ProtocolError UNREACHABLE, in the same words whatever is there instead: what listens on a machine is not
   * to be found out through the index. RETRY when this address has had others looked for too often.
   */
  async check(place: Place): Promise<void> {
    const { host, port, fingerprint } = place;
    if (port < leastPort) throw unreachable(`a peer listens on a port from ${leastPort} on`);
    const nowMs = this.options.nowMs();
    this.forgetOld(nowMs);
    const key = `${formatAddress(place)} ${fingerprint}`;
    let probe = this.probes.get(key);
    if (probe === undefined) {
      if (!this.rates.accept(originOf(host), nowMs))
        throw new ProtocolError(
          "RETRY",
          null,
          "too many peers of this address were looked for; try again later",
        );
      const outcome = this.turns.run(hostGroup(host), () => this.reach(place));
      probe = { untilMs: nowMs + reachIntervalMs, outcome };
      this.probes.set(key, probe);
    }
    if (await probe.outcome) return;
    // What was wrong may soon be mended.
    probe.untilMs = Math.min(probe.untilMs, this.options.nowMs() + reachRetryMs);
    throw unreachable(`the index has not found this peer at ${formatAddress({ host, port })}`);
  }

  private forgetOld(nowMs: number): void {
    this.rates.forgetRested(nowMs);
    for (const [key, { untilMs }] of this.probes) if (untilMs <= nowMs) this.probes.delete(key);
  }

  /** Never rejects. */
  private async reach({ host, port, fingerprint }: Place): Promise<boolean> {
    const nobody = { onLine: () => 0, onClose: () => {} };
    const membership = this.options.membership();
    const secure = { membership, purpose: "peer" as const, expected: [fingerprint] };
    try {
      const connection = await connect({ host, port }, nobody, { timeoutMs: reachTimeoutMs, secure });
      connection.destroy();
      return true;
    } catch {
      // Refused, silent, or somebody else: it makes no difference to those who would be sent there.
      return false;
    }
  }
}

function unreachable(detail: string): ProtocolError {
  return new ProtocolError("UNREACHABLE", null, detail);
}
