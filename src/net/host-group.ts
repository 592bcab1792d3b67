/**
 * Which addresses are counted as one when connections are limited: whoever has an IPv6 address has 2^64 of them
 * (a /64 is the smallest network that is given away). Pure.
 */
import { parseIpAddress, unmapped } from "./ip-address.ts";

/** The /64 of an IPv6 address, an IPv4 address as it is, also when it is mapped into IPv6. */
export function hostGroup(host: string): string {
  const address = parseIpAddress(host);
  if (address === undefined) return host;
  const { bits, value } = unmapped(address);
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
  const groups = [112n, 96n, 80n, 64n].map((shift) => ((value >> shift) & 0xffffn).toString(16));
  return `${groups.join(":")}::/64`;
}
