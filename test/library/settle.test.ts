import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { FileIdentity } from "../../src/library/file-identity.ts";
import { alreadyStill, Settling } from "../../src/library/settle.ts";

function version(mtimeNs: number, sizeBytes = 10, ino = 1n): FileIdentity {
  return { dev: 1n, ino, sizeBytes, mtimeNs: BigInt(mtimeNs), ctimeNs: 0n };
}

describe("Settling", () => {
  test("a file that stays as it is settles after the wait, once", () => {
    const settling = new Settling(1000);
    settling.seen("a", version(1), 0);
    expect(settling.nextWakeup()).toBe(1000);
    expect(settling.due(999)).toEqual([]);
    expect(settling.due(1000)).toEqual(["a"]);
    expect(settling.settled("a", version(1), 1000)).toBe(true);
    expect(settling.due(5000)).toEqual([]);
    expect(settling.nextWakeup()).toBeUndefined();
  });

  test.each([
    ["time", version(2)],
    ["size", version(1, 11)],
    ["inode", version(1, 10, 2n)],
  ])("another %s starts the wait again", (_, changed) => {
    const settling = new Settling(1000);
    settling.seen("a", version(1), 0);
    settling.seen("a", changed, 600);
    expect(settling.due(1000)).toEqual([]);
    expect(settling.nextWakeup()).toBe(1600);
    expect(settling.settled("a", changed, 1600)).toBe(true);
  });

  test("a change nobody hinted at is noticed at the end of the wait", () => {
    const settling = new Settling(1000);
    settling.seen("a", version(1), 0);
    expect(settling.due(1000)).toEqual(["a"]);
    expect(settling.settled("a", version(2), 1000)).toBe(false);
    expect(settling.due(1999)).toEqual([]);
    expect(settling.settled("a", version(2), 2000)).toBe(true);
  });

  test("a copy that writes every 250 ms is not offered before it has ended", () => {
    const settling = new Settling(1000);
    let offeredAtMs: number | undefined;
    for (let nowMs = 0; nowMs <= 20_000 && offeredAtMs === undefined; nowMs += 10) {
      const written = Math.min(Math.floor(nowMs / 250), 40);
      if (nowMs % 250 === 0 && nowMs <= 10_000) settling.seen("copy", version(written, written), nowMs);
      for (const path of settling.due(nowMs)) {
        if (settling.settled(path, version(written, written), nowMs)) offeredAtMs = nowMs;
      }
    }
    expect(offeredAtMs).toBe(11_000);
  });

  test("what is gone is not asked for", () => {
    const settling = new Settling(1000);
    settling.seen("a", version(1), 0);
    settling.seen("b", version(1), 1);
    settling.gone("a");
    expect(settling.due(1001)).toEqual(["b"]);
    expect(settling.count).toBe(1);
  });

  test("whatever happens: nothing settles that has changed within the wait, and nothing is forgotten", () => {
    const paths = fc.constantFrom("a", "b", "c");
    const step = fc.record({ path: paths, write: fc.boolean(), waitMs: fc.integer({ min: 0, max: 700 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const settling = new Settling(1000);
        const files = new Map<string, { version: number; changedMs: number; settled: boolean }>();
        let nowMs = 0;
        const check = () => {
          for (const path of settling.due(nowMs)) {
            const file = files.get(path)!;
            if (!settling.settled(path, version(file.version), nowMs)) continue;
            expect(nowMs - file.changedMs).toBeGreaterThanOrEqual(1000);
            file.settled = true;
          }
        };
        for (const { path, write, waitMs } of steps) {
          nowMs += waitMs;
          check();
          if (!write) continue;
          const file = { version: (files.get(path)?.version ?? 0) + 1, changedMs: nowMs, settled: false };
          files.set(path, file);
          settling.seen(path, version(file.version), nowMs);
        }
        for (let wakeup = settling.nextWakeup(); wakeup !== undefined; wakeup = settling.nextWakeup()) {
          nowMs = wakeup;
          check();
        }
        for (const file of files.values()) expect(file.settled).toBe(true);
      }),
    );
  });
});

describe("alreadyStill", () => {
  const nowMs = 1_700_000_000_000;
  test.each([
    ["long ago", nowMs - 3_600_000, true],
    ["just long enough", nowMs - 1000, true],
    ["a moment ago", nowMs - 999, false],
    ["in the future", nowMs + 3_600_000, false],
  ])("written %s", (_, mtimeMs, expected) => {
    expect(alreadyStill({ ...version(0), mtimeNs: BigInt(mtimeMs) * 1_000_000n }, nowMs, 1000)).toBe(
      expected,
    );
  });
});
