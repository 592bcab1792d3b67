import { expect, test } from "bun:test";
import {
  completeLines,
  failedLine,
  folderPlanLines,
  matchedLines,
  summaryLines,
} from "../../src/output/download-lines.ts";
import type {
  CompleteEvent,
  CompleteSource,
  FolderPlanEvent,
  MatchedEvent,
  SummaryEvent,
} from "../../src/output/events.ts";

function source(host: string, bytes: number, badChunks = 0): CompleteSource {
  const rest = { bytesPerSecond: 0, stalls: 0, busyAnswers: 0, connections: 1, waitedSeconds: 0 };
  return { host, port: 7767, bytes, badChunks, ...rest };
}

const complete: CompleteEvent = {
  event: "complete",
  path: "a.iso",
  size: 734_000_000,
  md5: "0".repeat(32),
  root: "0123456789abcdef".repeat(4),
  seconds: 7,
  resumedBytes: 34_000_000,
  sources: [
    source("10.0.0.5", 200_000_000),
    source("::1", 500_000_000),
    source("10.0.0.6", 0, 1),
    source("10.0.0.7", 0),
  ],
};

test("a finished download: whole, then the sources that were used, the best first", () => {
  expect(completeLines(complete)).toEqual([
    "a.iso: 734 MB in 7 s (100 MB/s), 34.0 MB were there, every chunk verified",
    "  [::1]:7767      500 MB   71 %",
    "  10.0.0.5:7767   200 MB   29 %",
    "  10.0.0.6:7767      0 B    0 %  sent 1 wrong chunk, dropped",
  ]);
  expect(completeLines({ ...complete, alreadyThere: true })).toEqual([
    "a.iso: already there, 734 MB, verified",
  ]);
  expect(completeLines({ ...complete, size: 0, seconds: 0, resumedBytes: 0, sources: [] })).toEqual([
    "a.iso: 0 B in 0 s, every chunk verified",
  ]);
});

const matched: MatchedEvent = {
  event: "matched",
  pattern: "dataset/",
  files: 2_000,
  bytes: 131_072_000,
  problems: 0,
};
test.each<[Partial<MatchedEvent>, string]>([
  [{}, "dataset/: 2,000 files, 131 MB"],
  [{ files: 1, bytes: 10, problems: 1 }, "dataset/: 1 file, 10 B; 1 other cannot be fetched"],
  [{ problems: 1_234 }, "dataset/: 2,000 files, 131 MB; 1,234 others cannot be fetched"],
])("what a pattern stands for, row %#", (change, line) =>
  expect(matchedLines({ ...matched, ...change })).toEqual([line]),
);

const plan: FolderPlanEvent = {
  event: "folder-plan",
  pattern: "dataset/",
  path: "out",
  files: 1_990,
  bytes: 124_000_000,
  alreadyThere: { files: 8, bytes: 520_000 },
  small: 1_980,
  sources: Array.from({ length: 10 }, (_, at) => ({ host: `10.0.0.${at}`, port: 7767 })),
  connections: 16,
  threads: 2,
  requestBytes: 8 * 1024 * 1024,
  downBytesPerSecond: 5_000_000,
  serves: true,
};

test("the plan for a folder", () => {
  expect(folderPlanLines(plan)).toEqual([
    "plan: 1,990 files, 124 MB from 10 sources",
    "  what     1,980 files of at most 1 MiB together, 10 files of more than 1 MiB",
    "  from     10.0.0.0:7767, 10.0.0.1:7767, 10.0.0.2:7767, 10.0.0.3:7767, 10.0.0.4:7767, 10.0.0.5:7767, 10.0.0.6:7767, 10.0.0.7:7767, 2 more",
    "  how      at most 16 connections and 2 threads, 8.39 MB a request, at most 5.00 MB/s",
    "  to       out; 8 files, 520 kB, already there",
    "  besides  others may fetch from here what is verified",
  ]);
  const nothing = { files: 0, bytes: 0, small: 0, sources: [], downBytesPerSecond: null, serves: false };
  expect(folderPlanLines({ ...plan, ...nothing })).toEqual([
    "plan: 0 files, 0 B from 0 sources",
    "  how      at most 16 connections and 2 threads, 8.39 MB a request",
    "  to       out; 8 files, 520 kB, already there",
    "  besides  nothing is served to others",
  ]);
});

test("a failed file", () => {
  expect(
    failedLine({
      event: "failed",
      name: "d/\u001b[2Jx",
      code: "NO_SOURCE",
      exit: 5,
      message: "no source (\n)",
    }),
  ).toBe("d/\\u{1b}[2Jx: no source (\\u{a})");
});

const none = { files: 0, bytes: 0 };
const summary: SummaryEvent = {
  event: "summary",
  pattern: "dataset/",
  path: "out",
  fetched: { files: 1_990, bytes: 124_000_000 },
  alreadyThere: none,
  failed: 0,
  seconds: 1.2,
  resumedBytes: 0,
  sources: [],
};
const sources = [source("10.0.0.5", 93_000_000), source("::1", 31_000_000, 2), source("10.0.0.7", 0)];
test.each<[Partial<SummaryEvent>, string[]]>([
  [{}, ["out: 1,990 files, 124 MB in 1.2 s (103 MB/s), every chunk verified"]],
  [
    { alreadyThere: { files: 8, bytes: 520_000 }, failed: 2, sources },
    [
      "out: 1,990 files, 124 MB in 1.2 s (103 MB/s), every chunk verified; 8 were already there, 2 failed",
      "  10.0.0.5:7767  93.0 MB   75 %",
      "  [::1]:7767     31.0 MB   25 %  sent 2 wrong chunks, dropped",
    ],
  ],
  [
    {
      fetched: { files: 1, bytes: 124_000_000 },
      resumedBytes: 64_000_000,
      alreadyThere: { files: 1, bytes: 1 },
    },
    [
      "out: 1 file, 124 MB in 1.2 s (50.0 MB/s), 64.0 MB were there, every chunk verified; 1 was already there",
    ],
  ],
  [
    // Shares are those of all that came, also for files that failed in the end.
    {
      fetched: { files: 1, bytes: 1_000 },
      failed: 1,
      sources: [source("10.0.0.5", 3_000), source("::1", 1_000)],
    },
    [
      "out: 1 file, 1.00 kB in 1.2 s (833 B/s), every chunk verified; 1 failed",
      "  10.0.0.5:7767  3.00 kB   75 %",
      "  [::1]:7767     1.00 kB   25 %",
    ],
  ],
  [{ failed: 20 }, ["out: 1,990 files, 124 MB in 1.2 s (103 MB/s), every chunk verified; 20 failed"]],
  [
    { failed: 1_021 },
    [
      "out: 1,990 files, 124 MB in 1.2 s (103 MB/s), every chunk verified; 1,021 failed (--json names all of them)",
    ],
  ],
  [
    { fetched: none, failed: 2, alreadyThere: { files: 1_998, bytes: 1 }, seconds: 30 },
    ["out: nothing fetched in 30 s; 1,998 were already there, 2 failed"],
  ],
  [
    { fetched: none, alreadyThere: { files: 2_000, bytes: 1 } },
    ["dataset/: all 2,000 files are already there, verified"],
  ],
  [
    { fetched: none, alreadyThere: { files: 1, bytes: 1 } },
    ["dataset/: the 1 file is already there, verified"],
  ],
])("what a folder comes to, row %#", (change, lines) => {
  expect(summaryLines({ ...summary, ...change })).toEqual(lines);
});
