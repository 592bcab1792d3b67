/**
 * How much one address may be bothered by a download, whatever ports the index names there: an index that lies must
 * not turn downloaders on somebody else. Pure; a part of the source table. The numbers are the security limits'.
 */
import { isLoopback } from "../loopback.ts";
import { type AddressLimit, addressLimit } from "../net/address-limits.ts";
import { hostGroup } from "../net/host-group.ts";

export interface HostLimitOptions {
  readonly connections: AddressLimit;
  /** In `attemptsWithinMs`, as long as nothing verified came. */
  readonly attempts: AddressLimit;
}

export const attemptsWithinMs = 10 * 60_000;
/**
 * Attempts in `paceMs` to all addresses together, those on this machine aside: as many as an index names for a content. One
 * that names more and more that refuse at once must not have us knock at thousands a second.
 */
const maxAttemptsAtPace = 64;
const paceMs = 1_000;
/** An index that names more addresses than this has the oldest of them forgotten, and gains little by it. */
const maxKnownHosts = 65_536;
export const usualHostLimits: HostLimitOptions = { connections: addressLimit(4), attempts: addressLimit(32) };

/** Of what is part of it. */
export interface HostLimited {
  /** The usual ones when there are none. */
  readonly hostLimits?: HostLimitOptions | undefined;
}

interface Host {
  connections: number;
  /** When connections were begun since one of them delivered something. */
  attemptsMs: number[];
}

export class HostLimits {
  /** By what counts as one address. */
  private readonly hosts = new Map<string, Host>();
  /** Those with as many attempts as may be: nearly always none. */
  private readonly exhausted = new Set<string>();
  private readonly groups = new Map<string, string>();
  /** The last attempts, `maxAttemptsAtPace` of them at most. */
  private readonly lastAttemptsMs: number[] = [];

  constructor(private readonly limits: HostLimitOptions = usualHostLimits) {}

  /** Whether another connection may be opened, beside `planned` ones. Our own machine has no limit unless one is set. */
  allows(host: string, planned: number, nowMs: number): boolean {
    const { connections, attempts } = this.limits;
    const known = this.hosts.get(this.groupOf(host));
    const mayConnect = (known?.connections ?? 0) + planned < connections.most || isFree(host, connections);
    if (this.pacedUntilMs() > nowMs && !isLoopback(host)) return false;
    return mayConnect && (isFree(host, attempts) || this.freeAtMs(known, planned) <= nowMs);
  }

  /** When the next attempt may be made, as far as their number goes. */
  allowedAtMs(host: string): number {
    const pacedUntilMs = this.pacedUntilMs();
    const inPaceMs =
      Number.isFinite(pacedUntilMs) && isLoopback(host) ? Number.NEGATIVE_INFINITY : pacedUntilMs;
    if (this.exhausted.size === 0) return inPaceMs;
    const group = this.groupOf(host);
    return this.exhausted.has(group) ? Math.max(inPaceMs, this.freeAtMs(this.hosts.get(group), 0)) : inPaceMs;
  }

  /** When the next attempt to whatever address may be made. */
  private pacedUntilMs(): number {
    const isFull = this.lastAttemptsMs.length === maxAttemptsAtPace;
    return isFull ? this.lastAttemptsMs[0]! + paceMs : Number.NEGATIVE_INFINITY;
  }

  opened(host: string, nowMs: number): void {
    const { attempts } = this.limits;
    if (!isLoopback(host)) this.lastAttemptsMs.push(nowMs);
    if (this.lastAttemptsMs.length > maxAttemptsAtPace) this.lastAttemptsMs.shift();
    const group = this.groupOf(host);
    const known = this.hosts.get(group) ?? { connections: 0, attemptsMs: [] };
    known.connections++;
    known.attemptsMs.push(nowMs);
    if (known.attemptsMs.length > attempts.most) known.attemptsMs.shift();
    if (known.attemptsMs.length === attempts.most && !isFree(host, attempts)) this.exhausted.add(group);
    // Those that were tried last at the end.
    this.hosts.delete(group);
    this.hosts.set(group, known);
    if (this.hosts.size > maxKnownHosts) this.forgetFirst();
  }

  closed(host: string): void {
    const known = this.hosts.get(this.groupOf(host));
    if (known !== undefined) known.connections--;
  }

  /** A verified chunk: who delivers may be asked as often as it takes. */
  delivered(host: string): void {
    const known = this.hosts.get(this.groupOf(host));
    if (known !== undefined) known.attemptsMs = [];
    this.exhausted.delete(this.groupOf(host));
  }

  /** When one attempt more may be made beside the planned ones. */
  private freeAtMs(host: Host | undefined, planned: number): number {
    const attemptsMs = host?.attemptsMs ?? [];
    const before = attemptsMs.length + planned - this.limits.attempts.most;
    if (before < 0) return Number.NEGATIVE_INFINITY;
    return (attemptsMs[before] ?? Number.POSITIVE_INFINITY) + attemptsWithinMs;
  }

  private forgetFirst(): void {
    for (const [group, { connections }] of this.hosts) {
      if (connections > 0) continue;
      this.hosts.delete(group);
      this.exhausted.delete(group);
      return;
    }
  }

  /** Asked again and again for each source. */
  private groupOf(host: string): string {
    const known = this.groups.get(host);
    if (known !== undefined) return known;
    if (this.groups.size >= maxKnownHosts) this.groups.clear();
    const group = hostGroup(host);
    this.groups.set(host, group);
    return group;
  }
}

function isFree(host: string, { countsLoopback }: AddressLimit): boolean {
  return !countsLoopback && isLoopback(host);
}
