import { expect, test } from "bun:test";
import { addressLimit } from "../../src/net/address-limits.ts";
import { HostLimits } from "../../src/transfer/host-limits.ts";

const minuteMs = 60_000;

test("four connections to an address, whatever its ports", () => {
  const limits = new HostLimits();
  for (let i = 0; i < 4; i++) {
    expect(limits.allows("192.0.2.1", 0, 0)).toBe(true);
    limits.opened("192.0.2.1", 0);
  }
  expect(limits.allows("192.0.2.1", 0, 0)).toBe(false);
  expect(limits.allows("192.0.2.2", 3, 0)).toBe(true);
  expect(limits.allows("192.0.2.2", 4, 0)).toBe(false);
  limits.closed("192.0.2.1");
  expect(limits.allows("192.0.2.1", 0, 0)).toBe(true);
});

test("32 attempts in ten minutes, unless something is delivered", () => {
  const limits = new HostLimits();
  for (let i = 0; i < 32; i++) {
    limits.opened("192.0.2.1", i * 1000);
    limits.closed("192.0.2.1");
  }
  expect(limits.allows("192.0.2.1", 0, 32_000)).toBe(false);
  expect(limits.allowedAtMs("192.0.2.1")).toBe(10 * minuteMs);
  expect(limits.allows("192.0.2.1", 0, 10 * minuteMs)).toBe(true);
  limits.delivered("192.0.2.1");
  expect(limits.allows("192.0.2.1", 0, 32_000)).toBe(true);
});

test("what is planned counts as attempts", () => {
  const limits = new HostLimits({ connections: addressLimit(4), attempts: addressLimit(3) });
  limits.opened("192.0.2.1", 5);
  limits.closed("192.0.2.1");
  expect([0, 1, 2, 3].map((planned) => limits.allows("192.0.2.1", planned, 6))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect([0, 1, 2, 3].map((planned) => limits.allows("192.0.2.2", planned, 6))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  // The first is forgotten then.
  expect([2, 3].map((planned) => limits.allows("192.0.2.1", planned, 5 + 10 * minuteMs))).toEqual([
    true,
    false,
  ]);
});

test("one address is one however it is written, and one /64 of IPv6 is one", () => {
  for (const [first, second, other] of [
    ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"],
    ["192.0.2.1", "::ffff:c000:201", "::ffff:192.0.2.2"],
    ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"],
  ] as const) {
    const limits = new HostLimits({ connections: addressLimit(1), attempts: addressLimit(2) });
    limits.opened(first, 0);
    expect([limits.allows(second, 0, 0), limits.allows(other, 0, 0)]).toEqual([false, true]);
    limits.closed(second);
    expect(limits.allows(first, 0, 0)).toBe(true);
    limits.opened(second, 0);
    limits.closed(second);
    expect([limits.allows(first, 0, 0), limits.allows(other, 0, 0)]).toEqual([false, true]);
    limits.delivered(first);
    expect(limits.allows(second, 0, 0)).toBe(true);
  }
});

test("loopback is an address like others once a limit is set", () => {
  const ofConnections = new HostLimits({ connections: addressLimit(4, 1), attempts: addressLimit(32) });
  ofConnections.opened("127.0.0.1", 0);
  expect(ofConnections.allows("127.0.0.1", 0, 0)).toBe(false);
  const ofAttempts = new HostLimits({ connections: addressLimit(4), attempts: addressLimit(32, 2) });
  for (let i = 0; i < 2; i++) ofAttempts.opened("::1", 0);
  expect([ofAttempts.allows("::1", 0, 0), ofAttempts.allows("::1", 0, 10 * minuteMs)]).toEqual([false, true]);
});

test.each(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost"])("%s has no limit", (host) => {
  const limits = new HostLimits();
  for (let i = 0; i < 100; i++) limits.opened(host, 0);
  expect(limits.allows(host, 100, 0)).toBe(true);
});

test("of more than 65,536 addresses the one that was tried longest ago is forgotten, unless it is connected (A33)", () => {
  const limits = new HostLimits({ connections: addressLimit(1), attempts: addressLimit(1) });
  const hostOf = (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
  limits.opened("192.0.2.1", 0);
  limits.opened("192.0.2.2", 0);
  limits.closed("192.0.2.2");
  for (let i = 0; i < 65_536; i++) {
    limits.opened(hostOf(i), 0);
    limits.closed(hostOf(i));
  }
  expect(limits.allows("192.0.2.1", 0, 2_000)).toBe(false);
  expect(limits.allows("192.0.2.2", 0, 2_000)).toBe(true);
  expect(limits.allows(hostOf(65_535), 0, 2_000)).toBe(false);
});

test("64 attempts a second to all addresses together, and to those of this machine as many as are wanted (A33)", () => {
  const limits = new HostLimits();
  const times = Array.from({ length: 200 }, (_, i) => {
    let nowMs = 0;
    for (const host = `192.0.2.${i}`; !limits.allows(host, 0, nowMs); ) nowMs = limits.allowedAtMs(host);
    limits.opened(`192.0.2.${i}`, nowMs);
    return nowMs;
  });
  expect(times).toEqual(Array.from({ length: 200 }, (_, i) => 1_000 * Math.floor(i / 64)));
  expect(limits.allows("192.0.2.200", 0, 3_999)).toBe(true);
  for (let i = 0; i < 100; i++) limits.opened("127.0.0.1", 3_000);
  expect([limits.allows("127.0.0.1", 0, 3_000), limits.allowedAtMs("127.0.0.1")]).toEqual([true, -Infinity]);
});
