import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeIndexRequest } from "../../src/wire/decode-index-request.ts";
import { encodeIndexRequest } from "../../src/wire/encode.ts";
import { decodePlainQuery } from "../../src/wire/plain-query.ts";

function read(text: string): ReturnType<typeof decodePlainQuery> {
  return decodePlainQuery(Buffer.from(text, "latin1"));
}

const longest = "n".repeat(1_024);

test.each([
  ['{"type":"QUERY","id":0,"name":"a b/c.iso"}', 0, "a b/c.iso"],
  ['{"type":"QUERY","id":123456789012345,"name":""}', 123_456_789_012_345, ""],
  [`{"type":"QUERY","id":999999999999999,"name":"${longest}"}`, 999_999_999_999_999, longest],
])("%s is read without a parser, also where it is no Buffer", (text, id, name) => {
  expect(read(text)).toEqual({ type: "QUERY", id, name });
  expect(decodePlainQuery(new Uint8Array(Buffer.from(text)))).toEqual({ type: "QUERY", id, name });
});

test.each([
  '{"type":"QUERY","id":1,"name":"a\\u0062"}',
  '{"type":"QUERY","id":1,"name":"a\\"}',
  '{"type":"QUERY","id":1,"name":"\u00e9"}',
  '{"type":"QUERY","id":1,"name":"a\tb"}',
  '{"type":"QUERY","id":1,"name":"a","subscribe":true}',
  '{"type":"QUERY","id":1,"name":"a","name":"b"}',
  '{"type":"QUERY","id":1,"name":"a"} ',
  '{"type":"QUERY","id":01,"name":"a"}',
  '{"type":"QUERY","id":-0,"name":"a"}',
  '{"type":"QUERY","id":1e3,"name":"a"}',
  '{"type":"QUERY","id":9007199254740993,"name":"a"}',
  '{"type":"QUERYS","id":1,"name":"a"}',
  '{"type": "QUERY","id":1,"name":"a"}',
  `{"type":"QUERY","id":1,"name":"${longest}n"}`,
  '{"type":"PING","id":1}',
  "",
])("%s is left to the parser", (text) => {
  expect(read(text)).toBeUndefined();
});

test("any line means the same, whichever reads it", () => {
  const name = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: "binary", maxLength: 40 }));
  const line = fc
    .record({ id: fc.maxSafeNat(), name, put: fc.string({ maxLength: 3 }), at: fc.nat(80), cut: fc.nat(3) })
    .map(({ id, name, put, at, cut }) => {
      const bytes = Buffer.from(encodeIndexRequest({ type: "QUERY", id, name }).trimEnd());
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(put), bytes.subarray(at + cut)]);
    });
  fc.assert(
    fc.property(line, (bytes) => {
      const query = decodePlainQuery(bytes);
      if (query !== undefined) expect(query).toEqual(decodeIndexRequest(bytes) as typeof query);
    }),
    { numRuns: 3_000 },
  );
});
