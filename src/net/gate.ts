/**
 * Who is let in and connected to: the networks that options name, and who is banned. Pure; where bans are kept is
 * ban-file.ts, and what happens to whoever is not admitted any more is up to those who listen.
 *
 * A ban counts before everything else, then what is denied, then that this machine is let in, then what is allowed:
 * with anything allowed, all others are not.
 */
import { isLoopback } from "../loopback.ts";
import type { Gate, PostedGate } from "../trust/gate.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import { BanList } from "./ban-list.ts";
import { AddressRange } from "./cidr.ts";
import { parseIpAddress } from "./ip-address.ts";

export class AddressGate implements Gate {
  private readonly allow: readonly AddressRange[];
  private readonly deny: readonly AddressRange[];
  private bans: BanList;
  private readonly listeners = new Set<() => void>();
  private hasTold = false;

  /** `onLeftOut` is called once, when somebody is not shown for the first time. */
  constructor(
    private given: PostedGate,
    private readonly onLeftOut: () => void = () => {},
  ) {
    this.allow = rangesOf(given.allow);
    this.deny = rangesOf(given.deny);
    this.bans = new BanList(given.bans);
  }

  admits(host: string, fingerprint?: Fingerprint): boolean {
    const { allow, deny, bans } = this;
    if (fingerprint !== undefined && bans.hasPeer(fingerprint)) return false;
    const address = parseIpAddress(host);
    // A name could be anybody's.
    if (address === undefined) return allow.length + deny.length === 0 && !bans.namesAddresses;
    if (bans.hasAddress(address) || deny.some((range) => range.contains(address))) return false;
    return allow.length === 0 || isLoopback(host) || allow.some((range) => range.contains(address));
  }

  shows(host: string, fingerprint?: Fingerprint): boolean {
    if (this.admits(host, fingerprint)) return true;
    if (!this.hasTold) this.onLeftOut();
    this.hasTold = true;
    return false;
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  posted(): PostedGate {
    return this.given;
  }

  /** From now on these are banned and nobody else. */
  ban(bans: readonly string[]): void {
    this.given = { ...this.given, bans };
    this.bans = new BanList(bans);
    for (const listener of this.listeners) listener();
  }
}

/** They were checked where they came from. */
function rangesOf(texts: readonly string[]): AddressRange[] {
  return texts.flatMap((text) => AddressRange.parse(text) ?? []);
}
