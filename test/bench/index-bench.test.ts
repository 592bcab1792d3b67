/** The parts of the index's benchmark that only reckon: what is pretended, what is asked, how it is written down. */
import { describe, expect, test } from "bun:test";
import { filesOfPeer, plantedNames, uniqueFiles } from "../../bench/index/catalogue.ts";
import { libraryDigest } from "../../bench/index/digest.ts";
import { withIndexReport } from "../../bench/index/document.ts";
import { filesPerFrame, registrationLines } from "../../bench/index/requests.ts";
import { counted, medianOf } from "../../bench/index/rounds.ts";
import { plainTarget, thousands } from "../../bench/index/tables.ts";
import { decodeIndexRequest } from "../../src/wire/decode-index-request.ts";
import { maxFilesPerMessage, maxIndexLineBytes } from "../../src/wire/limits.ts";

const shape = { peers: 20, filesPerPeer: 200 };

describe("the catalogue", () => {
  test("is the same whenever it is asked for, and another for each peer", () => {
    expect(filesOfPeer(3, shape)).toEqual(filesOfPeer(3, shape));
    expect(filesOfPeer(3, shape)).not.toEqual(filesOfPeer(4, shape));
  });

  test("gives a peer as many files as it should have, none twice", () => {
    for (let peer = 0; peer < shape.peers; peer++) {
      const files = filesOfPeer(peer, shape);
      expect(files).toHaveLength(shape.filesPerPeer);
      expect(new Set(files.map(({ name, root }) => name + root)).size).toBe(shape.filesPerPeer);
    }
  });

  test.each([
    [1, 1],
    [10, 10],
    [1_000, 20],
  ])("plants names for %p sources with %p of 20 peers", (sources, expected) => {
    const [name] = plantedNames(0, sources);
    const holders = Array.from({ length: shape.peers }, (_, peer) => filesOfPeer(peer, shape)).filter(
      (files) => files.some((each) => each.name === name),
    );
    expect(holders).toHaveLength(expected);
  });

  test("has names of about 43 characters", () => {
    const files = uniqueFiles(0, 2_000);
    const mean = files.reduce((sum, { name }) => sum + name.length, 0) / files.length;
    expect(mean).toBeGreaterThan(38);
    expect(mean).toBeLessThan(48);
  });
});

test("a registration is cut into lines that the protocol takes", () => {
  const lines = registrationLines(60_000, uniqueFiles(0, 2 * filesPerFrame + 1));
  expect(filesPerFrame).toBe(maxFilesPerMessage);
  expect(lines).toHaveLength(3);
  for (const line of lines) expect(line.length).toBeLessThan(maxIndexLineBytes);
  const types = lines.map((line) => decodeIndexRequest(Buffer.from(line.trimEnd())).type);
  expect(types).toEqual(["REGISTER", "UPDATE", "UPDATE"]);
});

test("the digest does not depend on the order, and two equal files are none", () => {
  const [one, two] = uniqueFiles(0, 2);
  expect(libraryDigest([])).toBe("0".repeat(32));
  expect(libraryDigest([one!, two!])).toBe(libraryDigest([two!, one!]));
  expect(libraryDigest([one!, two!])).not.toBe(libraryDigest([one!]));
  expect(libraryDigest([one!, one!])).toBe(libraryDigest([]));
});

test("disturbed rounds count only where there are no others", () => {
  const round = (value: number, disturbed = false) => ({ value, disturbed });
  expect(counted([round(1), round(9, true), round(3)])).toEqual([1, 3]);
  expect(medianOf([round(5, true), round(7, true)], (value) => value)).toBe(6);
});

test("a target is met, missed, or not measured", () => {
  expect(plainTarget("speed", { atLeast: 2 }, "×", 3, "3.0")).toMatchObject({
    target: "at least 2 ×",
    met: true,
  });
  expect(plainTarget("time", { atMost: 2 }, "ms", 3, "3.0").met).toBe(false);
  expect(plainTarget("time", { atMost: 2 }, "ms", undefined, "").met).toBeUndefined();
  expect(thousands(45_300.4)).toBe("45,300");
});

test("the report takes its place in the document, and takes it again", () => {
  const once = withIndexReport("# Benchmarks\n", "first");
  const twice = withIndexReport(`${once}\nafter\n`, "second");
  expect(once).toContain("## The index at scale");
  expect(twice).toContain("second");
  expect(twice).not.toContain("first");
  expect(twice).toContain("after");
});
