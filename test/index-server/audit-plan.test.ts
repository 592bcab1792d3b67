/** Who is looked into, and who is out. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { entryByChance } from "../../src/index-server/announced-entry.ts";
import { AuditPlan } from "../../src/index-server/audit-plan.ts";
import { decodeIndexRequest } from "../../src/wire/decode-index-request.ts";
import { encodeIndexRequest } from "../../src/wire/encode.ts";
import { type FileName, fileName } from "../../src/wire/file-name.ts";
import { type Fingerprint, fingerprint } from "../../src/wire/fingerprint.ts";
import { auditIntervalMs, auditPeerIntervalMs, maxAuditsAtOnce, unbackedMs } from "../../src/wire/limits.ts";

const peer = (n: number): Fingerprint => fingerprint(n.toString(16).padStart(64, "0"))!;

describe("audits", () => {
  test("begin at once up to a few, then one in an interval", () => {
    const plan = new AuditPlan();
    let nowMs = 0;
    let began = 0;
    for (let n = 0; n < 1_000; n++) {
      if (plan.begins(peer(n), nowMs)) {
        began++;
        plan.ended(peer(n), "backed", nowMs);
      }
      nowMs += auditIntervalMs / 10;
    }
    expect(began).toBe(maxAuditsAtOnce + 99);
  });

  test("are never more than a few at once", () => {
    const plan = new AuditPlan();
    const begun = Array.from({ length: 20 }, (_, n) => plan.begins(peer(n), n * auditIntervalMs));
    expect(begun.filter(Boolean)).toHaveLength(maxAuditsAtOnce);
    plan.ended(peer(0), "unknown", 0);
    expect(plan.begins(peer(99), 30 * auditIntervalMs)).toBe(true);
  });

  test("of one peer are rare", () => {
    const plan = new AuditPlan();
    const times: number[] = [];
    for (let nowMs = 0; nowMs < 10 * auditPeerIntervalMs; nowMs += 1_000) {
      if (!plan.begins(peer(1), nowMs)) continue;
      times.push(nowMs);
      plan.ended(peer(1), "backed", nowMs);
    }
    expect(times).toHaveLength(10);
  });
});

describe("a peer", () => {
  function findings(...found: ("backed" | "wrong" | "missing" | "unknown")[]): boolean[] {
    const plan = new AuditPlan();
    return found.map((finding, i) => {
      expect(plan.begins(peer(1), i * auditPeerIntervalMs)).toBe(true);
      return plan.ended(peer(1), finding, i * auditPeerIntervalMs);
    });
  }

  test.each([
    [["wrong"], [true]],
    [
      ["missing", "missing", "missing"],
      [false, false, true],
    ],
    [
      ["missing", "missing", "backed", "missing"],
      [false, false, false, false],
    ],
    [
      ["unknown", "unknown", "unknown", "unknown", "backed", "unknown"],
      [false, false, false, false, false, false],
    ],
    [
      ["unknown", "unknown", "unknown", "unknown", "missing"],
      [false, false, false, false, true],
    ],
  ] as const)("that is found %j is out: %j", (found, out) => expect(findings(...found)).toEqual([...out]));

  test("that announces nothing to ask for is looked into as soon as it does", () => {
    const plan = new AuditPlan();
    for (let n = 0; n < 100; n++) {
      expect(plan.begins(peer(1), 0)).toBe(true);
      plan.undo(peer(1));
    }
    expect([plan.begins(peer(1), 0), plan.begins(peer(1), 1)]).toEqual([true, false]);
  });

  test("that is out stays so when it is looked into again", () => {
    const plan = new AuditPlan();
    expect([plan.begins(peer(1), 0), plan.ended(peer(1), "wrong", 0)]).toEqual([true, true]);
    expect(plan.begins(peer(1), auditPeerIntervalMs)).toBe(true);
    expect(plan.ended(peer(1), "nothing", auditPeerIntervalMs)).toBe(false);
    expect(plan.isOut(peer(1), auditPeerIntervalMs)).toBe(true);
  });

  test("that is out is not for ever", () => {
    const plan = new AuditPlan();
    plan.begins(peer(1), 0);
    plan.ended(peer(1), "wrong", 5);
    expect([4, unbackedMs, unbackedMs + 5].map((nowMs) => plan.isOut(peer(1), nowMs))).toEqual([
      true,
      true,
      false,
    ]);
    expect(plan.isOut(peer(2), 10)).toBe(false);
  });
});

const digests = `"md5":"${"0".repeat(32)}","root":"${"ab".repeat(32)}"`;

describe("an entry by chance", () => {
  const name = fc.string({ minLength: 1, maxLength: 40 }).filter((text) => fileName(text) !== undefined);
  const hex = (length: number) =>
    fc
      .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
      .map((all) => all.join(""));
  const file = fc.record({
    name: name as fc.Arbitrary<FileName>,
    sizeBytes: fc.integer({ min: 1, max: 2 ** 36 }),
    md5: hex(32),
    root: hex(64),
  });
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

  test("is one of those that are announced", () => {
    fc.assert(
      fc.property(fc.array(file, { minLength: 1, maxLength: 6 }), chance, (files, where) => {
        const request = encodeIndexRequest({ type: "REGISTER", id: 1, port: 7767, files });
        const entry = entryByChance(Buffer.from(request.trimEnd()), where);
        expect(files as unknown[]).toContainEqual(entry);
      }),
    );
  });

  test("is each of them at some chance", () => {
    const files = Array.from({ length: 10 }, (_, n) => ({
      name: `file-${n}` as FileName,
      sizeBytes: 1 + n,
      md5: "0".repeat(32),
      root: "ab".repeat(32),
    }));
    const line = Buffer.from(encodeIndexRequest({ type: "REGISTER", id: 1, port: 7767, files }).trimEnd());
    const seen = Array.from({ length: 20 }, (_, n) => entryByChance(line, n / 20)?.name as string);
    expect(seen).toEqual(files.flatMap(({ name: each }) => [each, each]));
  });

  test.each([
    ["braces in its name", '"name":"a{"'],
    ["a name like an entry", `"name":"[{\\"name\\":\\"b\\"}"`],
    ["fields that nobody knows", '"x":{"y":[{}]},"name":"a"'],
    ["blanks", ' "name" : "a" '],
  ])("is found whatever else its line has: %s", (_, written) => {
    const entry = `{${written},"size":5,"md5":"${"0".repeat(32)}","root":"${"ab".repeat(32)}"}`;
    const decoy = `{"name":"b","size":7,"md5":"${"0".repeat(32)}","root":"${"cd".repeat(32)}"}`;
    const line = `{"type":"REGISTER","id":1,"port":7767,"x":[${decoy}],"files":[${entry}]}`;
    for (let n = 0; n < 50; n++) expect(entryByChance(Buffer.from(line), n / 50)?.sizeBytes).toBe(5);
  });

  test.each([
    '{"type":"UPDATE","id":1,"add":[],"remove":["a"]}',
    `{"type":"REGISTER","id":1,"port":1,"files":[{"name":"a","size":0,${digests}}]}`,
    '{"type":"REGISTER","id":1,"port":1,"library":{"digest":"00","files":1}}',
    `{"type":"REGISTER","id":1,"port":1,"files":[{"name":"a","size":1,"partial":true,${digests}}]}`,
    `{"type":"REGISTER","id":1,"port":1,"files":[{"name":"a","size":${2 ** 37},${digests}}]}`,
    "{{{{",
    "",
  ])("there is none in %j", (line) => {
    for (let n = 0; n < 50; n++) expect(entryByChance(Buffer.from(line), n / 50)).toBeUndefined();
  });

  test("is never found in what is no message, and costs no error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), chance, (bytes, where) => {
        const entry = entryByChance(bytes, where);
        if (entry !== undefined) expect(() => decodeIndexRequest(bytes)).toThrow();
      }),
    );
  });
});
