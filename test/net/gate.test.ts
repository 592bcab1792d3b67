/** Who is let in and connected to: what options allow and deny, and who is banned. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isSameBan, parseBan } from "../../src/net/ban-list.ts";
import { AddressGate } from "../../src/net/gate.ts";
import type { PostedGate } from "../../src/trust/gate.ts";
import { fingerprint } from "../../src/wire/fingerprint.ts";

const nothing: PostedGate = { allow: [], deny: [], bans: [] };
const someone = fingerprint(`abcdef01${"2".repeat(56)}`)!;

const cases: [what: string, given: Partial<PostedGate>, host: string, isAdmitted: boolean][] = [
  ["nothing is said: everybody", {}, "192.0.2.1", true],
  ["also by name", {}, "example.org", true],
  ["what is allowed", { allow: ["10.0.0.0/8"] }, "10.1.2.3", true],
  ["and mapped into IPv6", { allow: ["10.0.0.0/8"] }, "::ffff:10.1.2.3", true],
  ["then nobody else", { allow: ["10.0.0.0/8"] }, "192.0.2.1", false],
  ["nor of the other kind", { allow: ["10.0.0.0/8"] }, "2001:db8::1", false],
  ["nor by name, which could be anybody's", { allow: ["10.0.0.0/8"] }, "example.org", false],
  ["any of several", { allow: ["10.0.0.0/8", "2001:db8::/32"] }, "2001:db8::1", true],
  ["but this machine itself", { allow: ["10.0.0.0/8"] }, "127.0.0.1", true],
  ["in IPv6 as well", { allow: ["10.0.0.0/8"] }, "::1", true],
  ["unless it is denied", { allow: ["10.0.0.0/8"], deny: ["127.0.0.1"] }, "127.0.0.1", false],
  ["what is denied", { deny: ["10.0.0.0/8"] }, "10.1.2.3", false],
  ["and nobody else", { deny: ["10.0.0.0/8"] }, "192.0.2.1", true],
  ["but names", { deny: ["10.0.0.0/8"] }, "example.org", false],
  ["deny wins", { allow: ["10.0.0.0/8"], deny: ["10.1.0.0/16"] }, "10.1.2.3", false],
  ["deny wins, the other way round", { allow: ["10.1.0.0/16"], deny: ["10.0.0.0/8"] }, "10.1.2.3", false],
  ["who is banned", { bans: ["10.0.0.5"] }, "10.0.0.5", false],
  ["and nobody beside", { bans: ["10.0.0.5"] }, "10.0.0.6", true],
  ["a ban wins", { allow: ["10.0.0.5"], bans: ["10.0.0.5"] }, "10.0.0.5", false],
  ["also over this machine", { bans: ["127.0.0.0/8"] }, "127.0.0.1", false],
  ["peers that are banned are no addresses", { bans: ["abcdef01"] }, "example.org", true],
];
test.each(cases)("%s", (_, given, host, isAdmitted) => {
  expect(new AddressGate({ ...nothing, ...given }).admits(host)).toBe(isAdmitted);
});

describe("a peer", () => {
  test.each([
    [someone, false],
    ["abcdef01", false],
    ["ABCDEF0122", false],
    ["abcdef02", true],
  ])("banned as %s", (ban, isAdmitted) => {
    const gate = new AddressGate({ ...nothing, bans: [ban] });
    expect(gate.admits("10.0.0.5", someone)).toBe(isAdmitted);
    // Who does not show who he is cannot be told from others.
    expect(gate.admits("10.0.0.5")).toBe(true);
  });

  test("that is not banned is denied by where it is", () => {
    expect(new AddressGate({ ...nothing, deny: ["10.0.0.5"] }).admits("10.0.0.5", someone)).toBe(false);
  });
});

test("bans change, and whoever listens hears of it until he does not want to", () => {
  const gate = new AddressGate({ ...nothing, deny: ["192.0.2.1"], bans: ["10.0.0.5"] });
  const heard: boolean[] = [];
  const stop = gate.onChange(() => heard.push(gate.admits("10.0.0.5")));
  gate.ban(["10.0.0.6"]);
  gate.ban(["10.0.0.5"]);
  stop();
  gate.ban([]);
  expect(heard).toEqual([true, false]);
  expect(gate.posted()).toEqual({ allow: [], deny: ["192.0.2.1"], bans: [] });
  expect(new AddressGate(gate.posted()).admits("192.0.2.1")).toBe(false);
});

test("that some are not shown is told once", () => {
  let told = 0;
  const gate = new AddressGate({ ...nothing, bans: ["10.0.0.5"] }, () => told++);
  expect([gate.shows("10.0.0.6"), told]).toEqual([true, 0]);
  expect([gate.shows("10.0.0.5"), gate.shows("10.0.0.5")]).toEqual([false, false]);
  expect(told).toBe(1);
});

test("whatever is allowed: who is denied or banned is not admitted, and others are as without that", () => {
  const range = fc
    .tuple(fc.ipV4(), fc.integer({ min: 8, max: 32 }))
    .map(([host, bits]) => networkOf(host, bits));
  const ranges = fc.array(range, { maxLength: 3 });
  fc.assert(
    fc.property(ranges, ranges, ranges, fc.ipV4(), (allow, deny, bans, host) => {
      const contains = (all: string[]) => !new AddressGate({ ...nothing, deny: all }).admits(host);
      const isAdmitted = new AddressGate({ allow, deny, bans }).admits(host);
      const isAllowed = new AddressGate({ ...nothing, allow }).admits(host);
      expect(isAdmitted).toBe(isAllowed && !contains(deny) && !contains(bans));
    }),
  );
});

describe("what can be banned", () => {
  test.each([
    ["abcdef01", "peer"],
    ["ABCDEF01", "peer"],
    ["12345678", "peer"],
    [someone, "peer"],
    ["10.0.0.5", "address"],
    ["10.0.0.0/8", "address"],
    ["abcd:ef01::", "address"],
    ["abcdef0", undefined],
    [`${someone}0`, undefined],
    ["ab:cd:ef:01", undefined],
    ["10.0.0.5/8", undefined],
    ["example.org", undefined],
    ["", undefined],
  ])("%p: %p", (text, kind) => expect(parseBan(text)?.kind).toBe(kind as "peer"));

  test("is the same however it is written, and nothing else is", () => {
    const same = (one: string, other: string) => isSameBan(parseBan(one)!, parseBan(other)!);
    expect(same("ABCDEF01", "abcdef01")).toBe(true);
    expect(same("abcdef01", "abcdef012")).toBe(false);
    expect(same("10.0.0.5", "::ffff:10.0.0.5")).toBe(true);
    expect(same("10.0.0.5", "10.0.0.5/32")).toBe(true);
    expect(same("12345678", "10.0.0.5")).toBe(false);
    expect(same("10.0.0.5", "12345678")).toBe(false);
  });
});

function networkOf(host: string, bits: number): string {
  const value = host.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const network = Math.floor(value / 2 ** (32 - bits)) * 2 ** (32 - bits);
  return `${[24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256).join(".")}/${bits}`;
}
