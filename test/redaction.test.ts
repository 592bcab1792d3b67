import { describe, expect, test } from "bun:test";
import { neverShow, redacted, withoutKnownSecrets } from "../src/redaction.ts";

const secret = 'pass"word/with=signs+and-more';
neverShow(secret);
neverShow("p2p");

describe("a known secret", () => {
  test.each([
    ["as it is", secret],
    ["hex", Buffer.from(secret).toString("hex")],
    ["hex in capitals", Buffer.from(secret).toString("hex").toUpperCase()],
    ["base64", Buffer.from(secret).toString("base64")],
    ["base64url", Buffer.from(secret).toString("base64url")],
    ["JSON", JSON.stringify({ secret })],
    ["a URL", `https://h/?q=${encodeURIComponent(secret)}`],
  ])("in %s is not shown", (_, form) => {
    for (const shown of [redacted(`a ${form} b ${form}`), withoutKnownSecrets(`a ${form} b ${form}`)]) {
      expect(shown).toContain("[secret]");
      expect(shown).not.toMatch(/pass|word|cGFzc|70617373/i);
      expect(shown).toStartWith("a ");
    }
  });

  test("that is a common word is not looked for: what is missing would say it", () => {
    expect(redacted("p2p: disk full")).toBe("p2p: disk full");
  });
});

test.each([
  [
    "unknown command p2p://10.0.0.5:7766/#tok.fp.ck (see",
    "unknown command p2p://10.0.0.5:7766/#[secret] (see",
  ],
  ['bad value "P2P://a:1/#tok"', 'bad value "P2P://a:1/#[secret]"'],
  ["postgres://me:pa@ss@db:5432/p2p is gone", "postgres://me:[secret]@db:5432/p2p is gone"],
  ["postgresql://:pw@db/p2p", "postgresql://:[secret]@db/p2p"],
  ["postgres://me@db/p2p", "postgres://me@db/p2p"],
  ["http://[::1]:80/a and b@c.org", "http://[::1]:80/a and b@c.org"],
  ["nothing here", "nothing here"],
  [`bad value "${"aB-_0".repeat(8)}aB9" for P2P_NETWORK`, 'bad value "[secret]" for P2P_NETWORK'],
  [`cannot read /tmp/${"aB-_0".repeat(8)}aB9`, "cannot read /tmp/[secret]"],
  // A root, an MD5, and a name that is only as long.
  ...[`root ${"aB9".repeat(21)}1`, `md5 ${"0af".repeat(10)}00`, `no ${"name-".repeat(8)}abc`].map(
    (text) => [text, text] as [string, string],
  ),
])("%p is told as %p", (text, expected) => {
  expect(redacted(text)).toBe(expected);
  expect(withoutKnownSecrets(text)).toBe(text);
});
