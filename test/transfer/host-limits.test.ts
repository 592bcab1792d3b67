import { expect, test } from "bun:test";
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

test.each(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost"])("%s has no limit", (host) => {
  const limits = new HostLimits();
  for (let i = 0; i < 100; i++) limits.opened(host, 0);
  expect(limits.allows(host, 100, 0)).toBe(true);
});
