/**
 * How much one address may be bothered by a download, whatever ports the index names there: an index that lies must
 * not turn downloaders on somebody else. Pure; a part of the source table. The numbers are the security limits'.
 */
import { isLoopback } from "../loopback.ts";

const maxConnections = 4;
const maxAttempts = 32;
const attemptsWithinMs = 10 * 60_000;

interface Host {
  connections: number;
  /** When connections were begun since one of them delivered something. */
  attemptsMs: number[];
}

export class HostLimits {
  private readonly hosts = new Map<string, Host>();
  /** Those with as many attempts as may be: nearly always none. */
  private readonly exhausted = new Set<string>();

  /** Whether another connection may be opened, beside `planned` ones. Our own machine has no limit. */
  allows(host: string, planned: number, nowMs: number): boolean {
    const connections = (this.hosts.get(host)?.connections ?? 0) + planned;
    return (connections < maxConnections && this.allowedAtMs(host) <= nowMs) || isLoopback(host);
  }

  /** When the next attempt may be made, as far as their number goes. */
  allowedAtMs(host: string): number {
    if (this.exhausted.size === 0 || !this.exhausted.has(host)) return Number.NEGATIVE_INFINITY;
    const attempts = this.hosts.get(host)?.attemptsMs ?? [];
    return attempts[attempts.length - maxAttempts]! + attemptsWithinMs;
  }

  opened(host: string, nowMs: number): void {
    const known = this.hosts.get(host) ?? { connections: 0, attemptsMs: [] };
    known.connections++;
    known.attemptsMs.push(nowMs);
    if (known.attemptsMs.length > maxAttempts) known.attemptsMs.shift();
    if (known.attemptsMs.length === maxAttempts && !isLoopback(host)) this.exhausted.add(host);
    this.hosts.set(host, known);
  }

  closed(host: string): void {
    const known = this.hosts.get(host);
    if (known !== undefined) known.connections--;
  }

  /** A verified chunk: who delivers may be asked as often as it takes. */
  delivered(host: string): void {
    const known = this.hosts.get(host);
    if (known !== undefined) known.attemptsMs = [];
    this.exhausted.delete(host);
  }
}
