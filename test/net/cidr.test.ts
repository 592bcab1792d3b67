/** Addresses and networks, as people write them. */
import { expect, test } from "bun:test";
import { BlockList } from "node:net";
import fc from "fast-check";
import { AddressRange } from "../../src/net/cidr.ts";
import { parseIpAddress } from "../../src/net/ip-address.ts";

function contains(range: string, host: string): boolean {
  const address = parseIpAddress(host);
  if (address === undefined) throw new Error(`${host} is no address`);
  const parsed = AddressRange.parse(range);
  if (parsed === undefined) throw new Error(`${range} is no range`);
  return parsed.contains(address);
}

const inside: [range: string, host: string, isInside: boolean][] = [
  ["10.0.0.5", "10.0.0.5", true],
  ["10.0.0.5", "10.0.0.6", false],
  ["10.0.0.0/8", "10.255.1.2", true],
  ["10.0.0.0/8", "11.0.0.0", false],
  ["10.0.0.4/30", "10.0.0.7", true],
  ["10.0.0.4/30", "10.0.0.8", false],
  ["0.0.0.0/0", "255.255.255.255", true],
  ["0.0.0.0/0", "2001:db8::1", false],
  ["255.255.255.255/32", "255.255.255.255", true],
  ["2001:db8::/32", "2001:DB8:ffff::1", true],
  ["2001:db8::/32", "2001:db9::1", false],
  ["2001:db8::1", "2001:0db8:0:0:0:0:0:1", true],
  ["fe80::/10", "fe80::1%eth0", true],
  ["::1", "::1", true],
  ["::1/128", "0:0:0:0:0:0:0:1", true],
  ["::/0", "2001:db8::1", true],
  // Mapped into IPv6 it is the IPv4 address, in ranges as in hosts.
  ["10.0.0.0/8", "::ffff:10.1.2.3", true],
  ["10.0.0.0/8", "::ffff:a01:203", true],
  ["::ffff:10.0.0.0/104", "10.1.2.3", true],
  ["::ffff:10.0.0.0/104", "11.1.2.3", false],
  ["::ffff:0:0/96", "192.0.2.1", true],
  ["::ffff:10.0.0.5", "10.0.0.5", true],
  // All of IPv6 is none of IPv4.
  ["::/0", "10.0.0.5", false],
  ["::/0", "::ffff:10.0.0.5", false],
  ["::fffe:0:0/95", "10.0.0.5", false],
];
test.each(inside)("%s has %s in it: %p", (range, host, isInside) => {
  expect(contains(range, host)).toBe(isInside);
});

test.each([
  "",
  "/",
  "10.0.0.0/",
  "/8",
  "10.0.0.0/33",
  "10.0.0.0/-1",
  "10.0.0.0/+8",
  "10.0.0.0/08",
  "10.0.0.0/8/8",
  "10.0.0.0/8 ",
  " 10.0.0.0/8",
  "10.0.0.0/255.0.0.0",
  "10.0.0.5/8",
  "2001:db8::1/32",
  "10.0.0",
  "10",
  "10.0.0.256",
  "10.0.0.05",
  "0x0a.0.0.1",
  "10.0.0.0.0",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7::8::",
  "1:2:3:4::5:6:7:8",
  "::12345",
  ":1",
  "1:",
  ":::",
  "10.0.0.1::",
  "::1.2.3",
  "fe80::1%eth0",
  "fe80::%eth0/64",
  "2001:db8::/129",
  "[::1]",
  "example.org",
  "localhost",
  "*",
])("%p is no range", (text) => {
  expect(AddressRange.parse(text)).toBeUndefined();
});

test("the same range is the same however it is written", () => {
  const same = (one: string, other: string) => AddressRange.parse(one)!.isSame(AddressRange.parse(other)!);
  expect(same("2001:DB8::/32", "2001:db8:0::/32")).toBe(true);
  expect(same("10.0.0.5", "::ffff:10.0.0.5/128")).toBe(true);
  expect(same("10.0.0.0/8", "10.0.0.0/9")).toBe(false);
  expect(same("0.0.0.0/0", "::/0")).toBe(false);
});

const ipv4 = fc.ipV4();
const ipv6 = fc.ipV6();

test("every address is one, and in every range that is made of its first bits, and as node:net has it", () => {
  const given = fc.oneof(
    fc.tuple(ipv4, ipv4, fc.integer({ min: 0, max: 32 }), fc.constant("ipv4" as const)),
    fc.tuple(ipv6, ipv6, fc.integer({ min: 0, max: 128 }), fc.constant("ipv6" as const)),
  );
  fc.assert(
    fc.property(given, ([host, other, bits, family]) => {
      const range = AddressRange.parse(`${networkOf(host, bits)}/${bits}`)!;
      expect(range.contains(parseIpAddress(host)!)).toBe(true);
      const list = new BlockList();
      list.addSubnet(networkOf(host, bits), bits, family);
      expect(range.contains(parseIpAddress(other)!)).toBe(list.check(other, family));
    }),
  );
});

test("text that is no address throws nothing", () => {
  const texts = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:./%]{0,50}$/));
  fc.assert(fc.property(texts, (text) => void [AddressRange.parse(text), parseIpAddress(text)]));
});

/** The address with zeros behind its first bits, by another way than the code's: digit by digit. */
function networkOf(host: string, bits: number): string {
  const isIpv4 = !host.includes(":");
  const address = parseIpAddress(host)!;
  const size = isIpv4 ? 32 : 128;
  const digits = address.value.toString(2).padStart(size, "0").slice(0, bits).padEnd(size, "0");
  const width = isIpv4 ? 8 : 16;
  const parts = digits.match(new RegExp(`.{${width}}`, "g"))!.map((part) => Number.parseInt(part, 2));
  return isIpv4 ? parts.join(".") : parts.map((part) => part.toString(16)).join(":");
}
