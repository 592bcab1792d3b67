/**
 * Which addresses are counted as one when connections are limited: whoever has an IPv6 address has 2^64 of them
 * (a /64 is the smallest network that is given away).
 */

/** The /64 of an IPv6 address, an IPv4 address as it is, also when it is mapped into IPv6. */
export function hostGroup(host: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host);
  if (mapped !== null) return mapped[1]!;
  if (!host.includes(":")) return host;
  const [head = "", tail] = host.replace(/%.*$/, "").split("::");
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  const missing = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const all = [...before, ...Array<string>(missing).fill("0"), ...after];
  return `${all.slice(0, 4).join(":")}::/64`;
}

function groupsOf(text: string): string[] {
  if (text === "") return [];
  return text
    .split(":")
    .flatMap((group) => (group.includes(".") ? ["0", "0"] : [Number.parseInt(group, 16).toString(16)]));
}
