import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { UsageError } from "../../src/errors.ts";
import { formatJoinLink, type JoinLink, parseJoinLink } from "../../src/trust/join-link.ts";
import { Secret } from "../../src/trust/secret.ts";
import type { Fingerprint } from "../../src/wire/fingerprint.ts";

const token = "example-token-0123456789";
const index = "d".repeat(64) as Fingerprint;
const link = (addresses: JoinLink["addresses"], secret = token) =>
  formatJoinLink({ addresses, token: new Secret(secret), fingerprint: index });
const whole = link([{ host: "10.0.0.5", port: 7766 }]);

const host = fc.oneof(
  fc.ipV4(),
  fc.ipV6().filter((text) => !text.includes("%")),
  fc.constantFrom("files.example.org", "NAS_2", "a"),
);
const links = fc.record({
  addresses: fc.array(fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }), {
    minLength: 1,
    maxLength: 16,
  }),
  token: fc.stringMatching(/^[A-Za-z0-9_-]{22,128}$/).map((text) => new Secret(text)),
  fingerprint: fc.stringMatching(/^[0-9a-f]{64}$/).map((text) => text as Fingerprint),
});

describe("a link", () => {
  test("is read as it was written, and is one word", () => {
    fc.assert(
      fc.property(links, (given) => {
        const text = formatJoinLink(given);
        expect(text).toMatch(/^p2p:\/\/[\w.:,[\]-]+\/#[\w-]+\.[\w-]{43}\.[\w-]{6}$/);
        const read = parseJoinLink(text);
        expect(read).toEqual({ ...given, token: read.token });
        expect(read.token.reveal()).toBe(given.token.reveal());
      }),
    );
  });

  test("that was cut, or in which a character was lost, changed or put in, is told from a wrong one", () => {
    const position = fc.nat({ max: whole.length - 1 });
    const one = fc.constantFrom(..."abcXYZ059-_.:/#[,");
    const damaged = fc.oneof(
      position.map((at) => whole.slice(0, at)),
      position.map((at) => whole.slice(0, at) + whole.slice(at + 1)),
      fc.tuple(position, one).map(([at, other]) => whole.slice(0, at) + other + whole.slice(at)),
      fc.tuple(position, one).map(([at, other]) => whole.slice(0, at) + other + whole.slice(at + 1)),
    );
    fc.assert(
      fc.property(
        damaged.filter((text) => text !== whole),
        (text) => {
          expect(() => parseJoinLink(text)).toThrow(
            /^(the link is not whole, or was mistyped|there is no link|this is no link)/,
          );
        },
      ),
    );
  });

  test("that is anything at all is read, or refused in one line", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `p2p://${text}`),
        ),
        (text) => {
          expect(() => parseJoinLink(text)).toThrow(UsageError);
        },
      ),
    );
  });
});

describe("what is refused, and never repeated", () => {
  const secret = "s3cret-s3cret-s3cret-s3cret";
  test.each([
    ["", "there is no link"],
    [secret, "this is no link to join with, which begins with p2p://"],
    [`http://10.0.0.5:7766/#${secret}`, "begins with p2p://"],
    [`p2p://10.0.0.5:7766/#${secret}`, "the link is not whole"],
    [whole.slice(0, -1), "the link is not whole"],
    [`${whole}x`, "the link is not whole"],
    [whole.replace("/#", "/ #"), "a space or a line break"],
    [whole.replace("/#", "/\n#"), "a space or a line break"],
    [`p2p://${"a".repeat(9_000)}`, "too long"],
    // With the right check: somebody made them so.
    [link([{ host: "10.0.0.5", port: 7766 }], "short"), "the token in the link is no token"],
    [link([{ host: "10.0.0.5", port: 0 }]), "an address that is none"],
    [link([{ host: "fe80::1%eth0", port: 1 }]), "an address that is none"],
    [link([{ host: "a b", port: 1 }].map((each) => ({ ...each, host: "a/b" }))), "an address that is none"],
    [link([]), "an address that is none"],
    [link([{ host: "a", port: 1 }], `${token}.${token}`), "other parts than links have"],
    [link([{ host: "a", port: 1 }], `${token}/#${token}`), "other parts than links have"],
    [link(Array.from({ length: 17 }, () => ({ host: "a", port: 1 }))), "more than 16 addresses"],
    [
      formatJoinLink({
        addresses: [{ host: "a", port: 1 }],
        token: new Secret(token),
        fingerprint: "dd" as Fingerprint,
      }),
      "no fingerprint",
    ],
  ])("%#: %p", (text, problem) => {
    const parse = () => parseJoinLink(text);
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(problem);
    for (const part of [secret, token]) expect(parse).not.toThrow(part);
  });

  test("another way to write the same", () => {
    const other = link([{ host: "a", port: 1 }]).replace(":1/", ":01/");
    // Its check is right: made as the format is described, but for the zero.
    const checked = other.slice(0, other.lastIndexOf("."));
    const check = new Bun.CryptoHasher("sha256")
      .update(`p2p-link-v1\0${checked}`)
      .digest("base64url")
      .slice(0, 6);
    expect(() => parseJoinLink(`${checked}.${check}`)).toThrow("another form");
  });
});
