/** Who is banned: machines by the beginning of their fingerprint, addresses and networks. Pure. */
import type { Fingerprint } from "../wire/fingerprint.ts";
import { AddressRange, rangeExpected } from "./cidr.ts";
import type { IpAddress } from "./ip-address.ts";

export type Ban =
  | { readonly kind: "peer"; readonly prefix: string }
  | { readonly kind: "address"; readonly range: AddressRange };

/** Fewer could be those of somebody else by chance. */
const minPrefixDigits = 8;
const fingerprintPrefix = new RegExp(`^[0-9a-f]{${minPrefixDigits},64}$`, "i");

/** For "bad value …: expected …". */
export const banExpected = `a fingerprint or at least its first ${minPrefixDigits} hex digits, or ${rangeExpected}`;

/** Undefined for what is neither. */
export function parseBan(text: string): Ban | undefined {
  if (fingerprintPrefix.test(text)) return { kind: "peer", prefix: text.toLowerCase() };
  const range = AddressRange.parse(text);
  return range && { kind: "address", range };
}

export function banText(ban: Ban): string {
  return ban.kind === "peer" ? ban.prefix : ban.range.text;
}

/** Both ban the same, however they are written. */
export function isSameBan(one: Ban, other: Ban): boolean {
  if (one.kind === "peer") return other.kind === "peer" && one.prefix === other.prefix;
  return other.kind === "address" && one.range.isSame(other.range);
}

export class BanList {
  private readonly prefixes: readonly string[];
  private readonly ranges: readonly AddressRange[];

  /** Leaves out what is no ban. */
  constructor(texts: readonly string[]) {
    const bans = texts.map(parseBan);
    this.prefixes = bans.flatMap((ban) => (ban?.kind === "peer" ? [ban.prefix] : []));
    this.ranges = bans.flatMap((ban) => (ban?.kind === "address" ? [ban.range] : []));
  }

  hasAddress(address: IpAddress): boolean {
    return this.ranges.some((range) => range.contains(address));
  }

  hasPeer(fingerprint: Fingerprint): boolean {
    return this.prefixes.some((prefix) => fingerprint.startsWith(prefix));
  }

  get namesAddresses(): boolean {
    return this.ranges.length > 0;
  }
}
