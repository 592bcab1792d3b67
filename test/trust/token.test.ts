import { describe, expect, test } from "bun:test";
import { inspect } from "node:util";
import { UsageError } from "../../src/errors.ts";
import { Secret } from "../../src/trust/secret.ts";
import { newToken, parseToken } from "../../src/trust/token.ts";

describe("a token", () => {
  test("is 32 bytes by lot, in 43 characters, and one that parses", () => {
    const [one, another] = [newToken().reveal(), newToken().reveal()];
    expect(one).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(another).not.toBe(one);
    expect(parseToken(one, "it").reveal()).toBe(one);
  });

  test.each([
    "",
    "short",
    "a".repeat(21),
    "a".repeat(129),
    `${"a".repeat(22)}\n`,
    `${"a".repeat(30)} b`,
    "ä".repeat(30),
  ])("%j is none, and the error does not repeat it (A22, A38)", (text) => {
    const parse = () => parseToken(text, "P2P_TOKEN");
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(/^P2P_TOKEN is /);
    if (text !== "") expect(parse).not.toThrow(text);
  });
});

test("a secret shows in nothing that prints", () => {
  const secret = new Secret("s3cret-s3cret");
  const shown = [
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }, { depth: 9 }),
    Bun.inspect({ secret }),
  ];
  expect(shown.join()).not.toContain("s3cret");
  expect(Object.keys(secret)).toEqual([]);
  expect(secret.reveal()).toBe("s3cret-s3cret");
});
