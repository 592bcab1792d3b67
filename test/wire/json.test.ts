/** What a line says its type is, without parsing it. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { claimedType, parseLine } from "../../src/wire/json.ts";
import { maxKeysPerObject } from "../../src/wire/limits.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";

function claimed(text: string): string | undefined {
  return claimedType(Buffer.from(text));
}

const types: [text: string, type: string | undefined][] = [
  ['{"type":"PING","id":1}', "PING"],
  [' { "id" : 1 , "type" : "PING" } ', "PING"],
  ['{"files":[{"type":"file","name":"type"},["type"]],"type":"UPDATE"}', "UPDATE"],
  ['{"x":"\\"type\\":\\"PING\\"","type":"QUERY"}', "QUERY"],
  ['{"x":"type","y":"PING"}', undefined],
  ['{"x":{"type":"PING"}}', undefined],
  ['[{"type":"PING"}]', undefined],
  ['{"type":{"x":1},"y":2}', undefined],
  ['{"type":7,"y":2}', undefined],
  ['{"type":', undefined],
  ['{"type":"PIN', "PIN"],
  ["]]]]", undefined],
  ["", undefined],
];
test.each(types)("%s", (text, type) => {
  expect(claimed(text)).toBe(type as string);
});

test("bytes that are no text, and a type longer than any, are no matter", () => {
  const bytes = Buffer.from('{"type":"\u00ff\u00fe"}', "latin1");
  expect(claimedType(bytes)).toBe("\u00ff\u00fe");
  expect(claimed(`{"type":"${"x".repeat(100_000)}"}`)).toBe("x".repeat(32));
});

test("of any object it is what parsing it says", () => {
  const value = fc.jsonValue({ maxDepth: 3 });
  const messages = fc.tuple(
    fc.dictionary(fc.string(), value),
    fc.option(fc.constantFrom("PING", "REGISTER", "x")),
    fc.dictionary(fc.string(), value),
    fc.constantFrom(undefined, 1, "\t"),
  );
  fc.assert(
    fc.property(messages, ([before, type, after, indent]) => {
      const pairs = [...Object.entries(before), ...Object.entries(after)].filter(([key]) => key !== "type");
      if (type !== null) pairs.splice(Object.keys(before).length, 0, ["type", type]);
      const message = Object.fromEntries(pairs);
      const found = claimed(JSON.stringify(message, undefined, indent));
      expect(found).toBe((type ?? undefined) as string);
    }),
  );
});

/** What it is read as, or the code of what is wrong with it. */
function read(line: string): unknown {
  try {
    return parseLine(Buffer.from(line));
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

test("a short line is taken as a long one", () => {
  const blanks = " ".repeat(1_000);
  fc.assert(
    fc.property(fc.json({ maxDepth: 20 }), (line) => {
      expect(read(line)).toEqual(read(line + blanks));
    }),
  );
});

test.each([
  ["as many fields as there may be", `{${Array(maxKeysPerObject).fill('"":1').join()}}`, { "": 1 }],
  [
    "one field more",
    `{${Array(maxKeysPerObject + 1)
      .fill('"":1')
      .join()}}`,
    "TOO_MANY",
  ],
  ["deeply nested, short", `{"a":${"[".repeat(100)}`, "TOO_DEEP"],
  ["deeply nested objects", '{"":'.repeat(40), "TOO_DEEP"],
])("%s", (_, line, expected) => {
  expect(read(line)).toEqual(expected);
});
