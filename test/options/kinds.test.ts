import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatAddress } from "../../src/address.ts";
import * as kinds from "../../src/options/kinds.ts";

const mib = 1024 * 1024;

describe("bytes", () => {
  const kind = kinds.bytes({ min: 0, max: 2 ** 43 });
  test.each([
    ["0", 0],
    ["4194304", 4 * mib],
    ["500k", 500 * 1024],
    ["4M", 4 * mib],
    ["4m", 4 * mib],
    ["4Mi", 4 * mib],
    ["4MiB", 4 * mib],
    ["4mib", 4 * mib],
    ["4MB", 4_000_000],
    ["1.5G", 1.5 * 1024 * mib],
    ["1TB", 1e12],
    ["10B", 10],
  ])("%s is %d", (text, expected) => expect(kind.parse(text)).toBe(expected));

  test.each([
    "",
    "M",
    "-1",
    "1.0000001",
    "4X",
    "4 M",
    "0x10",
    "1e6",
    "4MiBB",
    "0.1",
    "99T",
    "4bB",
    "Infinity",
  ])("%p is none", (text) => expect(kind.parse(text)).toBeUndefined());

  test("keeps limits and steps", () => {
    const chunk = kinds.bytes({ min: mib, max: 16 * mib, multipleOf: mib });
    expect(["1M", "16MiB", "1048576"].map(chunk.parse)).toEqual([mib, 16 * mib, mib]);
    expect(["17M", "0", "1M1", "1048577", "4MB"].map(chunk.parse)).toEqual(Array(5).fill(undefined));
    expect(chunk.expected).toBe("a size from 1MiB to 16MiB in steps of 1MiB");
  });

  test("reads what it shows", () => {
    fc.assert(fc.property(fc.nat({ max: 2 ** 31 - 1 }), (size) => kind.parse(kind.show(size)) === size));
  });
});

describe("address", () => {
  test.each([
    ["127.0.0.1:7766", { host: "127.0.0.1", port: 7766 }],
    ["[::1]:7766", { host: "::1", port: 7766 }],
    ["[fe80::1%eth0]:1", { host: "fe80::1%eth0", port: 1 }],
    ["index.example.org:65535", { host: "index.example.org", port: 65535 }],
  ])("%s", (text, expected) => {
    expect(kinds.address.parse(text)).toEqual(expected);
    expect(formatAddress(expected)).toBe(text);
  });

  test.each([
    "",
    "no port",
    "host",
    ":7766",
    "host:",
    "host:0",
    "host:65536",
    "host:77x",
    "::1:7766",
    "[127.0.0.1]:1",
    "[]:1",
    "a b:1",
    "\u001b[31m:1",
    "-host:1",
  ])("%p is none", (text) => expect(kinds.address.parse(text)).toBeUndefined());
});

describe("an address to listen on", () => {
  test.each([
    ["9100", { host: "127.0.0.1", port: 9100 }],
    ["0", { host: "127.0.0.1", port: 0 }],
    ["10.0.0.5:9100", { host: "10.0.0.5", port: 9100 }],
    ["[::]:9100", { host: "::", port: 9100 }],
  ])("%s", (text, expected) => expect(kinds.listenAddress.parse(text)).toEqual(expected));

  test.each(["", "65536", "x", ":9100", "host:", "::1:9100", "[127.0.0.1]:1", "9100:"])(
    "%p is none",
    (text) => expect(kinds.listenAddress.parse(text)).toBeUndefined(),
  );
});

test.each([
  [kinds.port, "0", 0],
  [kinds.port, "65535", 65535],
  [kinds.port, "65536", undefined],
  [kinds.port, "-1", undefined],
  [kinds.port, "1.5", undefined],
  [kinds.port, "", undefined],
  [kinds.port, " 1", undefined],
  [kinds.integer({ min: 1, max: 8 }), "8", 8],
  [kinds.integer({ min: 1, max: 8 }), "0", undefined],
  [kinds.integer({ min: 1, max: 8 }), "9", undefined],
  [kinds.seconds(0), "0", undefined],
  [kinds.seconds(), "0", 0],
  [kinds.seconds(0), "0.5", 0.5],
  [kinds.seconds(0), "30", 30],
  [kinds.seconds(0), "99999999", undefined],
  [kinds.seconds(0), "1s", undefined],
  [kinds.patience, "1h", 3_600],
  [kinds.patience, "TRUE", 24 * 86_400],
  [kinds.patience, "false", 0],
  [kinds.patience, "yes", undefined],
  [kinds.rate, "500k", 500 * 1024],
  [kinds.rate, "5M/s", 5 * 1024 ** 2],
  [kinds.rate, "OFF", Number.POSITIVE_INFINITY],
  [kinds.rate, "0", undefined],
  [kinds.rate, "1023", undefined],
  [kinds.rate, "fast", undefined],
  [kinds.duration, "90", 90],
  [kinds.duration, "0.5m", 30],
  [kinds.duration, "10M", 600],
  [kinds.duration, "2h", 7200],
  [kinds.duration, "1d", 86_400],
  [kinds.duration, "99d", undefined],
  [kinds.duration, "m", undefined],
  [kinds.duration, "1w", undefined],
  [kinds.truth, "TRUE", true],
  [kinds.truth, "0", false],
  [kinds.truth, "maybe", undefined],
  [kinds.host, "[::1]", "::1"],
  [kinds.host, "0.0.0.0", "0.0.0.0"],
  [kinds.host, "a_b.example", "a_b.example"],
  [kinds.host, "", undefined],
  [kinds.host, "a b", undefined],
  [kinds.rootPrefix, "ABCD", "abcd"],
  [kinds.rootPrefix, "abc", undefined],
  [kinds.rootPrefix, "abcg", undefined],
  [kinds.rootPrefix, "a".repeat(65), undefined],
  [kinds.text("X"), "", undefined],
] as const)("%p reads %p as %p", (kind: kinds.Kind<unknown>, text: string, expected: unknown) => {
  expect(kind.parse(text)).toEqual(expected);
});
