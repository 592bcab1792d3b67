/** Literal IP addresses as numbers, so that they can be compared however they are written. Pure. */

export interface IpAddress {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

const part4 = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const ipv4 = new RegExp(`^${part4}\\.${part4}\\.${part4}\\.${part4}$`);
const group6 = /^[0-9a-f]{1,4}$/i;
/** Of an address of one link: `fe80::1%eth0`. */
const zone = /%[^%]+$/;

/** An IPv6 address that begins with these 96 bits holds an IPv4 address (RFC 4291, 2.5.5.2). */
const mappedPrefix = 0xffffn;

/** Undefined for what is none, such as a name. A zone is left out. */
export function parseIpAddress(text: string): IpAddress | undefined {
  const value4 = valueOfIpv4(text);
  if (value4 !== undefined) return { bits: 32, value: value4 };
  const value = valueOfIpv6(text.replace(zone, ""));
  return value === undefined ? undefined : { bits: 128, value };
}

/** The IPv4 address that is mapped into an IPv6 one, as listeners of both kinds have it (`::ffff:10.0.0.5`). */
export function unmapped(address: IpAddress): IpAddress {
  const { bits, value } = address;
  if (bits === 32 || value >> 32n !== mappedPrefix) return address;
  return { bits: 32, value: value & 0xffff_ffffn };
}

function valueOfIpv6(text: string): bigint | undefined {
  const [first = "", second, more] = text.split("::");
  if (more !== undefined) return undefined;
  const before = groupsOf(first, second === undefined);
  const after = groupsOf(second ?? "", true);
  if (before === undefined || after === undefined) return undefined;
  const missing = 8 - before.length - after.length;
  // `::` stands for at least one group.
  if (second === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...before, ...Array<bigint>(missing).fill(0n), ...after];
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}

/** Undefined when one of them is none. An IPv4 address may stand for the last two of all. */
function groupsOf(text: string, areLast: boolean): bigint[] | undefined {
  if (text === "") return [];
  const groups: bigint[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    const value4 = areLast && i === parts.length - 1 ? valueOfIpv4(part) : undefined;
    if (value4 !== undefined) groups.push(value4 >> 16n, value4 & 0xffffn);
    else if (group6.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}

function valueOfIpv4(text: string): bigint | undefined {
  const parts = ipv4.exec(text)?.slice(1);
  return parts?.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}
