/** The lines of a proof: what was said comes back, and nothing else is taken for one. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeAuth,
  decodeClientProof,
  decodeServerProof,
  encodeAuth,
  encodeClientProof,
  encodeServerProof,
} from "../../src/wire/proof-messages.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
const line = (text: string) => Buffer.from(text.trimEnd());

test("what was encoded comes back", () => {
  fc.assert(
    fc.property(bytes, bytes, (nonce, proof) => {
      expect(decodeAuth(line(encodeAuth(nonce)))).toEqual({ type: "AUTH", nonce });
      expect(decodeServerProof(line(encodeServerProof(nonce, proof)))).toEqual({
        type: "PROOF",
        nonce,
        proof,
      });
      expect(decodeClientProof(line(encodeClientProof(proof)))).toEqual({ type: "PROOF", proof });
    }),
  );
});

describe("A22 a proof that is none is refused:", () => {
  const right = Buffer.alloc(32, 7).toString("base64url");
  const codeOf = (proof: unknown): string => {
    try {
      decodeClientProof(Buffer.from(JSON.stringify({ type: "PROOF", proof })));
    } catch (error) {
      if (error instanceof ProtocolError) return error.code;
      throw error;
    }
    return "fine";
  };
  test.each<[unknown, string]>([
    [right, "fine"],
    [null, "BAD_MESSAGE"],
    [undefined, "BAD_MESSAGE"],
    [32, "BAD_MESSAGE"],
    [[right], "BAD_MESSAGE"],
    ["", "BAD_MESSAGE"],
    [Buffer.alloc(1).toString("base64url"), "BAD_MESSAGE"],
    [Buffer.alloc(31).toString("base64url"), "BAD_MESSAGE"],
    [Buffer.alloc(33).toString("base64url"), "BAD_MESSAGE"],
    [`${right}=`, "BAD_MESSAGE"],
    [right.replaceAll("B", "+"), "BAD_MESSAGE"],
    // Bits beyond the last byte: another text of the same bytes.
    [`${right.slice(0, -1)}d`, "BAD_MESSAGE"],
  ])("%p: %s", (proof, code) => expect(codeOf(proof)).toBe(code));
});
