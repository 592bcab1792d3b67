/** The sums of the downloads of a folder: never less than before while nothing fails, and right at the end. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { CompleteSource, Receipt } from "../../src/output/events.ts";
import { FolderSums } from "../../src/transfer/folder-progress.ts";

function source(port: number, different: Partial<CompleteSource> = {}): CompleteSource {
  const nothing = { bytes: 0, badChunks: 0, bytesPerSecond: 0, stalls: 0, busyAnswers: 0, waitedSeconds: 0 };
  return { host: "h", port, connections: 1, ...nothing, ...different };
}

function reportOf(...sources: CompleteSource[]) {
  return { sources, receipt: undefined };
}

describe("while downloads run", () => {
  test("bytes of single files count as they come, those of many when each is stored", () => {
    const sums = new FolderSums(0);
    const [many, one] = [sums.begin(true), sums.begin(false)];
    sums.progress(many, { bytes: 500, sources: 2 }, 100);
    sums.progress(one, { bytes: 3_000, sources: 1 }, 100);
    expect(sums.now(100)).toMatchObject({ files: 0, bytes: 3_000, sources: 2 });
    sums.stored(200);
    sums.stored(300);
    expect(sums.now(200)).toMatchObject({ files: 2, bytes: 3_500 });
    sums.end(many, reportOf());
    sums.stored(3_000);
    sums.end(one, reportOf());
    expect(sums.now(300)).toMatchObject({ files: 3, bytes: 3_500, sources: 0 });
    expect(sums.fetched).toEqual({ files: 3, bytes: 3_500 });
  });

  test("what an earlier run had left is no rate, but is counted", () => {
    const sums = new FolderSums(0);
    const one = sums.begin(false);
    sums.resumed(one, 1e9);
    sums.progress(one, { bytes: 1e9, sources: 1 }, 1_000);
    expect(sums.now(1_000)).toMatchObject({ bytes: 1e9, bytesPerSecond: 0 });
    sums.progress(one, { bytes: 1e9 + 1e6, sources: 1 }, 2_000);
    const { bytesPerSecond } = sums.now(2_000);
    expect(bytesPerSecond).toBeGreaterThan(0);
    expect(bytesPerSecond).toBeLessThan(2e6);
    sums.stored(1e9 + 1e6);
    sums.end(one, reportOf());
    expect(sums.resumedBytes).toBe(1e9);
  });

  test("news of one that is over change nothing", () => {
    const sums = new FolderSums(0);
    const one = sums.begin(false);
    sums.end(one, reportOf());
    sums.progress(one, { bytes: 100, sources: 3 }, 1);
    sums.resumed(one, 100);
    sums.end(one, reportOf());
    expect(sums.now(1)).toMatchObject({ files: 0, bytes: 0, sources: 0 });
    expect(sums.resumedBytes).toBe(0);
  });

  test("one that failed leaves neither bytes nor what an earlier run had left of it", () => {
    const sums = new FolderSums(0);
    const [failed, fine] = [sums.begin(false), sums.begin(false)];
    sums.resumed(failed, 700);
    sums.progress(failed, { bytes: 900, sources: 1 }, 1);
    sums.resumed(fine, 30);
    sums.progress(fine, { bytes: 40, sources: 1 }, 1);
    sums.end(failed, undefined);
    sums.stored(40);
    sums.end(fine, reportOf());
    expect(sums.now(2).bytes).toBe(40);
    expect(sums.resumedBytes).toBe(30);
  });
});

describe("sources", () => {
  test("are added up over all downloads, the best rate counts", () => {
    const sums = new FolderSums(0);
    const first = {
      bytes: 10,
      badChunks: 1,
      stalls: 2,
      busyAnswers: 3,
      waitedSeconds: 0.5,
      bytesPerSecond: 100,
    };
    sums.end(sums.begin(true), reportOf(source(1, first), source(2)));
    sums.end(sums.begin(false), reportOf(source(1, { bytes: 5, connections: 2, bytesPerSecond: 50 })));
    expect(sums.sources).toEqual([source(1, { ...first, bytes: 15, connections: 3 }), source(2)]);
  });

  test("those given are not changed", () => {
    const sums = new FolderSums(0);
    const given = source(1, { bytes: 10 });
    for (let i = 0; i < 2; i++) sums.end(sums.begin(false), reportOf(given));
    expect(given.bytes).toBe(10);
    expect(sums.sources[0]?.bytes).toBe(20);
  });
});

describe("the receipt of all", () => {
  const receipt = (bottleneck: Receipt["bottleneck"], hashingSeconds: number): Receipt => ({
    bytesPerSecond: 1,
    bestBytesPerSecond: 1,
    bottleneck,
    because: `of ${bottleneck}`,
    hashingSeconds,
    writingSeconds: 2 * hashingSeconds,
  });

  test("names what held back the one that brought the most, and adds up the rest", () => {
    const sums = new FolderSums(0);
    const [small, large] = [sums.begin(true), sums.begin(false)];
    sums.progress(large, { bytes: 9_000, sources: 1 }, 1_500);
    sums.stored(9_000);
    sums.stored(1_000);
    sums.end(small, { sources: [source(1, { bytes: 1_000 })], receipt: receipt("source", 1) });
    sums.end(large, { sources: [source(1, { bytes: 9_000 })], receipt: receipt("disk", 3) });
    const all = sums.receipt(10)!;
    expect(all).toMatchObject({ bytesPerSecond: 1_000, bottleneck: "disk", because: "of disk" });
    expect([all.hashingSeconds, all.writingSeconds]).toEqual([4, 8]);
    expect(all.bestBytesPerSecond).toBeGreaterThan(1_000);
  });

  test("is none when nothing was fetched", () => {
    const sums = new FolderSums(0);
    sums.end(sums.begin(false), undefined);
    expect(sums.receipt(1)).toBeUndefined();
  });
});

test("while all goes well the bytes only grow, up to those of all files", () => {
  const file = fc.record({
    size: fc.nat(10_000),
    steps: fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
  });
  fc.assert(
    fc.property(fc.array(file, { maxLength: 8 }), (files) => {
      const sums = new FolderSums(0);
      let before = 0;
      let nowMs = 0;
      const grows = () => {
        const { bytes } = sums.now(++nowMs);
        expect(bytes).toBeGreaterThanOrEqual(before);
        before = bytes;
      };
      const runs = files.map(({ size, steps }) => ({
        size,
        id: sums.begin(false),
        steps: steps.sort((a, b) => a - b),
      }));
      for (const { id, size, steps } of runs) {
        for (const share of steps) {
          sums.progress(id, { bytes: Math.floor(share * size), sources: 1 }, nowMs);
          grows();
        }
      }
      for (const { id, size } of runs) {
        sums.stored(size);
        sums.end(id, reportOf());
        grows();
      }
      expect(before).toBe(files.reduce((sum, { size }) => sum + size, 0));
    }),
  );
});
