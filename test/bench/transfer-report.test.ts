/** The parts of the transfer benchmark that only reckon: medians, CPU shares, sizes, the place in the document. */
import { describe, expect, test } from "bun:test";
import { median } from "../../bench/measure.ts";
import { counted, medianSeconds, type Series } from "../../bench/transfer/compare.ts";
import { cpuShares } from "../../bench/transfer/cpu-split.ts";
import { withReport } from "../../bench/transfer/document.ts";
import { parseSize, sizeText } from "../../bench/transfer/payload.ts";
import { bencode } from "../../bench/transfer/torrent-file.ts";
import type { Measured } from "../../bench/transfer/trial.ts";

function run(seconds: number, disturbed = false): Measured {
  const cpu = { user: 0, system: 0 };
  const memory = { peak: 0, anonymous: 0 };
  const sides = { downloaderCpu: cpu, sourceCpu: cpu, downloaderMib: memory, sourceMib: memory };
  return { seconds, disturbed, otherCpuSeconds: 0, sentBytes: undefined, ...sides };
}

function series(...runs: Measured[]): Series {
  return { task: undefined as never, runs, problem: undefined };
}

test("the median is the middle, or the mean of the two in the middle", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test("disturbed runs count only where there are no others", () => {
  expect(medianSeconds(series(run(1), run(9, true), run(3)))).toBe(2);
  expect(counted(series(run(5, true), run(7, true)))).toHaveLength(2);
});

test("what perf saw is sorted into copies, system and program", () => {
  const report = `# Overhead|Shared Object|Symbol
     30.00%|[kernel.kallsyms]|[k] _copy_to_iter
     10.00%|libc.so.6        |[.] __memmove_avx512_unaligned_erms
     20.00%|[kernel.kallsyms]|[k] tcp_ack
     40.00%|p2p              |[.] 0x0000000001f760ef
`;
  expect(cpuShares(report)).toEqual({ copies: 0.4, system: 0.2, program: 0.4 });
  expect(cpuShares("")).toEqual({ copies: 0, system: 0, program: 0 });
});

test.each([
  ["2G", 2 * 1024 ** 3],
  ["256M", 256 * 1024 ** 2],
  ["64K", 65_536],
  ["1000", 1000],
  ["2 G", undefined],
  ["-1", undefined],
  ["", undefined],
])("the size %p", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test("a size as text", () => {
  expect([512, 65_536, 1024 ** 2, 1.5 * 1024 ** 3].map(sizeText)).toEqual([
    "512 B",
    "64 KiB",
    "1 MiB",
    "1.5 GiB",
  ]);
});

test("metainfo is bencoded with sorted keys and raw bytes", () => {
  const encoded = bencode({ b: [1, "x"], a: Buffer.from([255, 0]) });
  expect(encoded.toString("latin1")).toBe("d1:a2:\xff\x001:bli1e1:xee");
});

describe("the document", () => {
  test("gets the report at its end, and in its place the next time", () => {
    const first = withReport("# Benchmarks\n", "one");
    expect(first).toStartWith("# Benchmarks\n\n## Side by side");
    const second = withReport(`${first}\n## After\n`, "two");
    expect(second).toContain("two");
    expect(second).not.toContain("one");
    expect(second).toEndWith("## After\n");
  });
});
