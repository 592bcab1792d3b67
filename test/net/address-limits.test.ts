/** How many of something an address may have, and how often it may come. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AddressCounts, ArrivalRates, addressLimit, originOf } from "../../src/net/address-limits.ts";

const stranger = originOf("10.0.0.5");
const loopback = originOf("127.0.0.5");

describe("counts", () => {
  test("each address has room of its own, and has it back", () => {
    const counts = new AddressCounts();
    const limit = addressLimit(2);
    counts.add(stranger);
    expect(counts.hasRoom(stranger, limit)).toBe(true);
    counts.add(stranger);
    expect(counts.hasRoom(stranger, limit)).toBe(false);
    expect(counts.hasRoom(originOf("10.0.0.6"), limit)).toBe(true);
    counts.remove(stranger);
    expect(counts.hasRoom(stranger, limit)).toBe(true);
  });

  const cases: [what: string, hosts: string[], set: number | undefined, isFull: boolean][] = [
    ["a stranger", ["10.0.0.5"], undefined, true],
    ["loopback", ["127.0.0.5", "::1"], undefined, false],
    ["loopback when the limit is set", ["127.0.0.5"], 1, true],
    ["one /64 of IPv6", ["2001:db8::1", "2001:db8::2"], undefined, true],
    ["two /64 of IPv6", ["2001:db8::1", "2001:db8:0:1::1"], undefined, false],
    ["IPv4, and the same mapped into IPv6", ["10.0.0.5", "::ffff:10.0.0.5"], undefined, true],
  ];
  test.each(cases)("%s", (_, hosts, set, isFull) => {
    const counts = new AddressCounts();
    counts.add(originOf(hosts[0]!));
    expect(counts.hasRoom(originOf(hosts.at(-1)!), addressLimit(1, set))).toBe(!isFull);
  });
});

describe("arrivals", () => {
  test("30 at once, then one a second, and 30 again after half a minute of rest", () => {
    const rates = new ArrivalRates(addressLimit(30), 30_000);
    const accepted = (times: number, nowMs: number) =>
      Array.from({ length: times }, () => rates.accept(stranger, nowMs)).filter(Boolean).length;
    expect(accepted(100, 5_000)).toBe(30);
    expect(accepted(100, 5_998)).toBe(0);
    expect(accepted(100, 6_000)).toBe(1);
    expect(accepted(100, 9_000)).toBe(3);
    expect(rates.accept(originOf("10.0.0.6"), 9_000)).toBe(true);
    rates.forgetRested(9_000 + 29_999);
    expect(accepted(100, 39_000)).toBe(30);
  });

  test("loopback is not counted unless the limit is set", () => {
    const usual = new ArrivalRates(addressLimit(1), 30_000);
    const set = new ArrivalRates(addressLimit(30, 1), 30_000);
    expect([usual.accept(loopback, 0), usual.accept(loopback, 0)]).toEqual([true, true]);
    expect([set.accept(loopback, 0), set.accept(loopback, 0)]).toEqual([true, false]);
  });

  test("whatever comes when: a full burst after rest, and never more than twice that in one window", () => {
    const plan = fc.record({
      most: fc.integer({ min: 1, max: 50 }),
      gapsMs: fc.array(fc.double({ min: 0, max: 900, noNaN: true }), { maxLength: 300 }),
    });
    fc.assert(
      fc.property(plan, ({ most, gapsMs }) => {
        const rates = new ArrivalRates(addressLimit(most), 30_000);
        const acceptedMs: number[] = [];
        let nowMs = 1_000_000;
        const come = () => {
          if (rates.accept(stranger, nowMs)) acceptedMs.push(nowMs);
        };
        for (const gapMs of gapsMs) {
          nowMs += gapMs;
          come();
          const within = acceptedMs.filter((ms) => ms > nowMs - 30_000);
          expect(within.length).toBeLessThanOrEqual(2 * most);
        }
        nowMs += 30_000;
        acceptedMs.length = 0;
        for (let i = 0; i < 2 * most; i++) come();
        expect(acceptedMs.length).toBe(most);
      }),
    );
  });
});
