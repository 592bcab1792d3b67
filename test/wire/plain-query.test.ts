import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeIndexRequest } from "../../src/wire/decode-index-request.ts";
import { encodeIndexRequest, encodeResultStart } from "../../src/wire/encode.ts";
import type { Query } from "../../src/wire/messages.ts";
import { hashOfName, nameBytes, PlainQueries, PlainResultStart } from "../../src/wire/plain-query.ts";

/** What is read of `bytes`, and what is left of them. */
function read(bytes: Uint8Array, from = 0): { queries: Query[]; rest: string } {
  const plain = new PlainQueries(bytes, from);
  const queries: Query[] = [];
  while (plain.next()) queries.push(plain.message);
  return { queries, rest: Buffer.from(bytes.subarray(plain.end)).toString("latin1") };
}

const longest = "n".repeat(1_024);

test.each([
  ['{"type":"QUERY","id":0,"name":"a b/c.iso"}', 0, "a b/c.iso"],
  ['{"type":"QUERY","id":123456789012345,"name":""}', 123_456_789_012_345, ""],
  [`{"type":"QUERY","id":999999999999999,"name":"${longest}"}`, 999_999_999_999_999, longest],
])("%s is read without a parser, also where it is no Buffer", (text, id, name) => {
  const queries: Query[] = [{ type: "QUERY", id, name }];
  const bytes = Buffer.from(`${text}\n`, "latin1");
  expect(read(bytes)).toEqual({ queries, rest: "" });
  expect(read(new Uint8Array(bytes))).toEqual({ queries, rest: "" });
  // Without its end it is not the whole line.
  expect(read(bytes.subarray(0, -1))).toEqual({ queries: [], rest: text });
});

test.each([
  '{"type":"QUERY","id":1,"name":"a\\u0062"}',
  '{"type":"QUERY","id":1,"name":"a\\"}',
  '{"type":"QUERY","id":1,"name":"\u00e9"}',
  '{"type":"QUERY","id":1,"name":"a\tb"}',
  '{"type":"QUERY","id":1,"name":"a","subscribe":true}',
  '{"type":"QUERY","id":1,"name":"a","name":"b"}',
  '{"type":"QUERY","id":1,"name":"a"} ',
  '{"type":"QUERY","id":1,"name":"a"}\r',
  '{"type":"QUERY","id":01,"name":"a"}',
  '{"type":"QUERY","id":-0,"name":"a"}',
  '{"type":"QUERY","id":1e3,"name":"a"}',
  '{"type":"QUERY","id":9007199254740993,"name":"a"}',
  '{"type":"QUERYS","id":1,"name":"a"}',
  '{"type": "QUERY","id":1,"name":"a"}',
  `{"type":"QUERY","id":1,"name":"${longest}n"}`,
  '{"type":"PING","id":1}',
  "",
])("%s is left to the parser, and so is what comes behind it", (text) => {
  const before = '{"type":"QUERY","id":7,"name":"before"}\n';
  const after = '{"type":"QUERY","id":8,"name":"after"}\n';
  const left = Buffer.from(`${text}\n${after}`, "latin1");
  expect(read(left)).toEqual({ queries: [], rest: left.toString("latin1") });
  const all = Buffer.concat([Buffer.from(before), left]);
  expect(read(all)).toEqual({
    queries: [{ type: "QUERY", id: 7, name: "before" }],
    rest: left.toString("latin1"),
  });
  expect(read(all, before.length).queries).toEqual([]);
});

test("however many there are, they are read piece by piece, and none twice", () => {
  const lines = Array.from({ length: 5_000 }, (_, id) =>
    encodeIndexRequest({ type: "QUERY", id, name: `n${id}` }),
  );
  const bytes = Buffer.from(lines.join(""));
  const seen: Query[] = [];
  let at = 0;
  for (let pieces = 0; at < bytes.length; pieces++) {
    expect(pieces).toBeLessThan(50);
    const { queries, rest } = read(bytes, at);
    expect(queries.length).toBeGreaterThan(0);
    seen.push(...queries);
    at = bytes.length - rest.length;
  }
  expect(seen.map(({ id, name }) => [id, name])).toEqual(lines.map((_, id) => [id, `n${id}`]));
});

test("any line means the same, whichever reads it", () => {
  const name = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: "binary", maxLength: 40 }));
  const line = fc
    .record({ id: fc.maxSafeNat(), name, put: fc.string({ maxLength: 3 }), at: fc.nat(80), cut: fc.nat(3) })
    .map(({ id, name, put, at, cut }) => {
      const bytes = Buffer.from(encodeIndexRequest({ type: "QUERY", id, name }));
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(put), bytes.subarray(at + cut)]);
    });
  fc.assert(
    fc.property(line, (bytes) => {
      const { queries, rest } = read(bytes);
      let at = 0;
      for (const query of queries) {
        const end = bytes.indexOf("\n", at);
        expect(query).toEqual(decodeIndexRequest(bytes.subarray(at, end)) as Query);
        at = end + 1;
      }
      expect(rest).toBe(bytes.subarray(at).toString("latin1"));
    }),
    { numRuns: 3_000 },
  );
});

test("a name in a line is the same bytes, with the same hash, as the name by itself", () => {
  const plain = fc.stringMatching(/^[ !#-[\]-~]{0,40}$/);
  fc.assert(
    fc.property(fc.array(fc.record({ id: fc.nat(), name: plain }), { maxLength: 5 }), (asked) => {
      const lines = asked.map(({ id, name }) => encodeIndexRequest({ type: "QUERY", id, name }));
      const queries = new PlainQueries(Buffer.from(lines.join("")), 0);
      const start = new PlainResultStart();
      for (const { id, name } of asked) {
        expect(queries.next()).toBe(true);
        const { bytes, from, to, hash } = queries;
        expect(Buffer.from(bytes.subarray(from, to)).toString()).toBe(name);
        expect([hashOfName(bytes, from, to), nameBytes(name).hash]).toEqual([hash, hash]);
        // The answer to a long id leaves nothing behind in that to a short one.
        expect(start.bytes.toString("latin1", 0, start.put(queries))).toBe(encodeResultStart(id));
      }
      expect(queries.next()).toBe(false);
    }),
    { numRuns: 500 },
  );
});
