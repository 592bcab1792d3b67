/** The digest of a library: its known answers, that order does not matter, and that what goes leaves no trace. */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import type { FileName } from "../../src/wire/file-name.ts";
import { LibraryDigest } from "../../src/wire/library-digest.ts";
import { maxContentBytes } from "../../src/wire/limits.ts";
import type { FileEntry } from "../../src/wire/messages.ts";
import { md5Of, rootOf } from "../helpers/file-entries.ts";

function digestOf(...files: FileEntry[]): string {
  const digest = new LibraryDigest();
  for (const file of files) digest.add(file);
  return digest.hex;
}

const hello: FileEntry = {
  name: "texts/hello.txt" as FileName,
  sizeBytes: 12,
  md5: "e4d7f1b4ed2e42d15898f4b27b019da4",
  root: "09ca7e4eaa6e8ae9c7d261167129184883644d07dfba7cbfbc4c8a2e08360d5b",
};

/** As PROTOCOL.md says it, in the plainest way. */
function plainDigest(files: readonly FileEntry[]): string {
  const sum = Buffer.alloc(16);
  for (const { root, md5, sizeBytes, partial, name } of files) {
    const size = Buffer.alloc(8);
    size.writeBigUInt64BE(BigInt(sizeBytes));
    const parts = [Buffer.from(root, "hex"), Buffer.from(md5, "hex"), size, Buffer.of(partial ? 1 : 0)];
    const hash = createHash("sha256")
      .update(Buffer.concat([...parts, Buffer.from(name)]))
      .digest();
    for (let i = 0; i < 16; i++) sum[i]! ^= hash[i]!;
  }
  return sum.toString("hex");
}

const entryArbitrary: fc.Arbitrary<FileEntry> = fc
  .tuple(
    fc.oneof(fc.string({ unit: "grapheme", maxLength: 30 }), fc.constant("é".repeat(512))),
    fc.integer({ min: 0, max: maxContentBytes }),
    fc.integer(),
    fc.boolean(),
  )
  .map(([name, sizeBytes, content, partial]) => ({
    name: name as FileName,
    sizeBytes,
    md5: md5Of(content),
    root: rootOf(content),
    partial,
  }));

describe("known answers", () => {
  test.each<[string, FileEntry[], string]>([
    ["nothing", [], "00000000000000000000000000000000"],
    ["a file", [hello], "f282bbba175de034595ab93f19336816"],
    ["in part", [{ ...hello, partial: true }], "ecda4ff7d186dc1ba792cb374ae20a7f"],
    ["of another size", [{ ...hello, sizeBytes: 2 ** 32 + 12 }], "6c15bafa89382e2f5a7f4066a8e867f7"],
    [
      "of a name beyond ASCII",
      [{ ...hello, name: "文/ü.txt" as FileName }],
      "080a353bc983734ef8f6f8fc1fce8186",
    ],
    ["both", [hello, { ...hello, name: "b" as FileName }], "e0b2f4be679f7994303ed5509ce52ffd"],
  ])("%s", (_, files, expected) => {
    expect(digestOf(...files)).toBe(expected);
    expect(plainDigest(files)).toBe(expected);
  });
});

test("is that of the plain computation, in any order, from hex and from bytes", () => {
  fc.assert(
    fc.property(fc.array(entryArbitrary, { maxLength: 6 }), (files) => {
      const expected = plainDigest(files);
      expect(digestOf(...files)).toBe(expected);
      expect(digestOf(...files.toReversed())).toBe(expected);
      const digest = new LibraryDigest();
      for (const file of files)
        digest.add({ ...file, md5: Buffer.from(file.md5, "hex"), root: Buffer.from(file.root, "hex") });
      expect(digest.hex).toBe(expected);
    }),
  );
});

test("what comes and goes leaves it as it was, also when it is taken up from its bytes", () => {
  fc.assert(
    fc.property(
      fc.array(entryArbitrary, { maxLength: 5 }),
      fc.array(entryArbitrary, { maxLength: 5 }),
      (stay, go) => {
        const digest = new LibraryDigest();
        for (const file of [...go, ...stay]) digest.add(file);
        const taken = LibraryDigest.of(digest.bytes, digest.count);
        for (const file of go) {
          digest.remove(file);
          taken.remove(file);
        }
        expect(digest.claim).toEqual({ digest: plainDigest(stay), files: stay.length });
        expect(taken.claim).toEqual(digest.claim);
        digest.clear();
        expect(digest.claim).toEqual(new LibraryDigest().claim);
      },
    ),
  );
});
