import { expect, test } from "bun:test";
import { eventLines } from "../../src/output/event-lines.ts";
import type {
  CompleteEvent,
  CompleteSource,
  FolderPlanEvent,
  OutputEvent,
  SummaryEvent,
} from "../../src/output/events.ts";

const root = "0123456789abcdef".repeat(4);
const md5 = "0".repeat(32);
function source(host: string, port: number, bytes: number, badChunks: number): CompleteSource {
  const rest = { bytesPerSecond: 0, stalls: 0, busyAnswers: 0, connections: 1, waitedSeconds: 0 };
  return { host, port, bytes, badChunks, ...rest };
}

const complete: CompleteEvent = {
  event: "complete",
  path: "a.iso",
  size: 1,
  md5,
  root,
  seconds: 0,
  resumedBytes: 0,
  sources: [source("10.0.0.5", 7767, 1, 0)],
};
const summary: SummaryEvent = {
  event: "summary",
  pattern: "d/",
  path: "out",
  fetched: { files: 1, bytes: 1 },
  alreadyThere: { files: 0, bytes: 0 },
  failed: 0,
  seconds: 0,
  resumedBytes: 0,
  sources: [],
};
const folderPlan: FolderPlanEvent = {
  event: "folder-plan",
  pattern: "d/",
  path: "out",
  files: 1,
  bytes: 1,
  alreadyThere: { files: 0, bytes: 0 },
  small: 1,
  sources: [{ host: "::1", port: 1 }],
  connections: 1,
  threads: 1,
  requestBytes: 1,
  downBytesPerSecond: null,
  serves: false,
};
const [other, third] = [`1${root.slice(1)}`, `2${root.slice(1)}`];
const cases: [OutputEvent, string[]][] = [
  [{ event: "listening", host: "::1", port: 7767 }, ["peer listening on [::1]:7767"]],
  [
    { event: "listening", host: "127.0.0.1", port: 7766, db: "/d" },
    ["index (database /d) listening on 127.0.0.1:7766"],
  ],
  [
    { event: "registered", index: "127.0.0.1:7766", files: 12, bytes: 3456 },
    ["registered with 127.0.0.1:7766: 12 files, 3.46 kB"],
  ],
  [
    { event: "registered", index: "127.0.0.1:7766", files: 1, bytes: 1, again: true },
    ["registered again with 127.0.0.1:7766: 1 file, 1 B"],
  ],
  [{ event: "updated", added: ["a"], removed: ["b"] }, ["+ a", "- b"]],
  [
    { event: "updated", added: Array(2000).fill("x"), removed: ["b"] },
    ["2,000 files added or changed, 1 file removed"],
  ],
  [{ event: "file", name: "a b", size: 999, md5, root }, ["  999 B  0123456789ab  a b"]],
  [{ event: "found", name: "a", size: 1, md5, root, sources: 3 }, ["a: 1 B, root 0123456789ab, 3 sources"]],
  [{ event: "match", name: "d/a", size: 1, root, sources: 1 }, ["    1 B  0123456789ab    1 source  d/a"]],
  [{ event: "progress", bytes: 1, size: 2, bytesPerSecond: 3, sources: 3 }, []],
  [complete, ["a.iso: 1 B in 0 s, every chunk verified", "  10.0.0.5:7767      1 B  100 %"]],
  [{ event: "matched", pattern: "d/", files: 1, bytes: 1, problems: 0 }, ["d/: 1 file, 1 B"]],
  [{ event: "stored", name: "d/a", path: "out/a", size: 1, md5, root, alreadyThere: false }, []],
  [{ event: "failed", name: "d/a", code: "NO_SOURCE", exit: 5, message: "no source" }, []],
  [summary, ["out: 1 file, 1 B in 0 s, every chunk verified"]],
  [
    folderPlan,
    [
      "plan: 1 file, 1 B from 1 source",
      "  what     1 file of at most 1 MiB together",
      "  from     [::1]:1",
      "  how      at most 1 connection and 1 thread, 1 B a request",
      "  to       out",
      "  besides  nothing is served to others",
    ],
  ],
  [
    {
      event: "ambiguous",
      name: "a",
      contents: [
        { root, size: 1000, md5, names: ["a", "b/a", "c/a", "d/a"], sources: 2 },
        { root: other, size: 1000, md5, names: ["a"], sources: 50, addresses: 1 },
        { root: third, size: 1000, md5, names: ["a"], sources: 50, addresses: 50 },
      ],
    },
    [
      "a stands for 3 contents; choose one with --root:",
      "1.00 kB  0123456789ab   2 sources  a, b/a, c/a, 1 more",
      "1.00 kB  1123456789ab  50 sources at 1 address  a",
      "1.00 kB  2123456789ab  50 sources  a",
    ],
  ],
  [{ event: "error", code: "USAGE", exit: 2, message: "no" }, ["p2p: no"]],
];
test.each(cases.map(([event, lines]) => [event.event, lines, event] as const))(
  "%s: %p",
  (_name, lines, event) => {
    expect(eventLines(event)).toEqual([...lines]);
  },
);

test("no event brings control characters to a screen", () => {
  const evil = "\u001b[2J\u009b1m\u202ex\n";
  const events: OutputEvent[] = [
    { event: "listening", host: evil, port: 1, db: evil },
    { event: "registered", index: evil, files: 1, bytes: 1 },
    { event: "updated", added: [evil], removed: [evil] },
    { event: "file", name: evil, size: 1, md5: evil, root: evil },
    { event: "found", name: evil, size: 1, md5: evil, root: evil, sources: 1 },
    { event: "match", name: evil, size: 1, root: evil, sources: 1 },
    {
      event: "ambiguous",
      name: evil,
      contents: [{ root: evil, size: 1, md5: evil, names: [evil], sources: 1 }],
    },
    { ...complete, path: evil, sources: [source(evil, 1, 1, 1)] },
    { event: "matched", pattern: evil, files: 1, bytes: 1, problems: 1 },
    { ...folderPlan, path: evil, sources: [{ host: evil, port: 1 }] },
    { ...summary, path: evil, sources: [source(evil, 1, 1, 1)] },
    {
      ...summary,
      pattern: evil,
      fetched: { files: 0, bytes: 0 },
      alreadyThere: { files: 1, bytes: 1 },
    },
    {
      event: "plan",
      path: evil,
      size: 1,
      chunks: 1,
      sources: [{ host: evil, port: 1, partial: true }],
      totalSources: 9,
      connections: 1,
      threads: 1,
      requestBytes: 1,
      partialBytes: 1,
      downBytesPerSecond: null,
      serves: true,
    },
    {
      event: "status",
      host: evil,
      port: 1,
      folder: evil,
      files: 1,
      bytes: 1,
      hashing: 1,
      indexes: [{ index: evil, connected: false }],
      uploads: 0,
      uploadedBytes: 0,
      downloads: 0,
      downloadedBytes: 0,
      uptimeSeconds: 1,
    },
    { event: "error", code: evil, exit: 1, message: evil },
  ];
  for (const event of events) {
    const said = eventLines(event);
    expect(said.length).toBeGreaterThan(0);
    for (const line of said) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  }
});
