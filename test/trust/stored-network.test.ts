import { describe, expect, test } from "bun:test";
import { Secret } from "../../src/trust/secret.ts";
import {
  decodeStoredNetwork,
  encodeStoredNetwork,
  isSameNetwork,
  linksOf,
  merged,
  networkName,
  networkOfLink,
  type StoredNetwork,
} from "../../src/trust/stored-network.ts";
import type { Fingerprint } from "../../src/wire/fingerprint.ts";

const a = "a".repeat(64) as Fingerprint;
const b = "b".repeat(64) as Fingerprint;
const at = (host: string, fingerprint: Fingerprint) => ({ host, port: 7766, fingerprint });
const network = (token: string, ...indexes: StoredNetwork["indexes"]): StoredNetwork => ({
  token: new Secret(token.repeat(30)),
  indexes,
});

test.each(["default", "a", "0", "lab-2_x", "a".repeat(32)])("%p is a name", (text) =>
  expect(networkName(text)).toBe(networkName(text)!),
);

test.each([
  "",
  "-a",
  "_a",
  "A",
  "a.b",
  "../a",
  "a/b",
  "a\0",
  "ä",
  "a b",
  "con",
  "nul",
  "lpt1",
  "a".repeat(33),
])("%p is none", (text) => expect(networkName(text)).toBeUndefined());

describe("the file", () => {
  test("is read as it was written", () => {
    const given = network("t", at("10.0.0.5", a), at("fd00::1", a), at("nas", b));
    const read = decodeStoredNetwork(encodeStoredNetwork(given))!;
    expect(read.indexes).toEqual(given.indexes);
    expect(read.token.reveal()).toBe(given.token.reveal());
  });

  test.each([
    "",
    "{}",
    "[]",
    "null",
    '{"version":1',
    '{"version":2,"token":"TTTTTTTTTTTTTTTTTTTTTTTT","indexes":[INDEX]}',
    '{"version":1,"token":"short","indexes":[INDEX]}',
    '{"version":1,"token":5,"indexes":[INDEX]}',
    '{"version":1,"token":"TTTTTTTTTTTTTTTTTTTTTTTT","indexes":[]}',
    '{"version":1,"token":"TTTTTTTTTTTTTTTTTTTTTTTT","indexes":{}}',
    '{"version":1,"token":"TTTTTTTTTTTTTTTTTTTTTTTT","indexes":[INDEX,7]}',
    '{"version":1,"token":"TTTTTTTTTTTTTTTTTTTTTTTT","indexes":[{"host":"a","port":0,"fingerprint":"PRINT"}]}',
    '{"version":1,"token":"TTTTTTTTTTTTTTTTTTTTTTTT","indexes":[{"host":"a/b","port":1,"fingerprint":"PRINT"}]}',
    '{"version":1,"token":"TTTTTTTTTTTTTTTTTTTTTTTT","indexes":[{"host":"a","port":1}]}',
    '{"version":1,"token":"TTTTTTTTTTTTTTTTTTTTTTTT","indexes":[{"host":"a","port":1,"fingerprint":"ab"}]}',
  ])("%p is none", (text) => {
    const bytes = Buffer.from(
      text.replace("INDEX", '{"host":"a","port":1,"fingerprint":"PRINT"}').replaceAll("PRINT", a),
    );
    expect(decodeStoredNetwork(bytes)).toBeUndefined();
  });
});

describe("a link that is joined again", () => {
  test("is of the same network when the token or an index is", () => {
    const known = network("t", at("10.0.0.5", a));
    expect(isSameNetwork(known, network("t", at("x", b)))).toBe(true);
    expect(isSameNetwork(known, network("n", at("10.0.0.9", a)))).toBe(true);
    expect(isSameNetwork(known, network("n", at("10.0.0.5", b)))).toBe(false);
  });

  test("tells the newer token and addresses, and leaves the other indexes", () => {
    const known = network("t", at("10.0.0.5", a), at("10.0.0.6", b), at("nas", a));
    const newer = network("n", at("10.0.0.9", a));
    const { token, indexes } = merged(known, newer);
    expect(token).toBe(newer.token);
    expect(indexes).toEqual([at("10.0.0.9", a), at("10.0.0.6", b)]);
  });
});

test("each index has a link of its own", () => {
  const known = network("t", at("10.0.0.5", a), at("10.0.0.6", b), at("nas", a));
  const links = linksOf(known);
  expect(links.map(({ fingerprint }) => fingerprint)).toEqual([a, b]);
  expect(links.map((link) => networkOfLink(link).indexes)).toEqual([
    [at("10.0.0.5", a), at("nas", a)],
    [at("10.0.0.6", b)],
  ]);
});
