import { afterEach, describe, expect, test } from "bun:test";
import { FolderOutput, folderPlanEvent } from "../../src/commands/folder-output.ts";
import { NoSourceError, WouldOverwriteError } from "../../src/errors.ts";
import { RateLimit } from "../../src/net/rate-limit.ts";
import { createLog } from "../../src/output/log.ts";
import { Output } from "../../src/output/output.ts";
import { Progress } from "../../src/output/progress.ts";
import { Terminal } from "../../src/output/terminal.ts";
import type { FolderFetched, FolderFetchPlan, StoredFile } from "../../src/transfer/folder-report.ts";
import { FakeScreen, FakeStdout } from "../helpers/fake-screen.ts";

const started: FolderOutput[] = [];
afterEach(() => {
  for (const said of started.splice(0)) said.close();
});

function make({ json = false, columns = 0, explain = false }) {
  const stdout = new FakeStdout();
  const screen = new FakeScreen(columns > 0, columns);
  const terminal = new Terminal(screen, { NO_COLOR: "1" });
  // Each line is said in a second of its own: what is held back is not held back by the log.
  let nowMs = 0;
  const log = createLog({ terminal, nowMs: () => (nowMs += 1_000) });
  const output = new Output({ stream: stdout, terminal });
  output.json = json;
  const context = { output, log, progress: new Progress({ terminal, log }) };
  const transfer = { connections: 16, threads: 2, requestBytes: 8_388_608, limit: new RateLimit() };
  const said = new FolderOutput(
    "dataset/",
    context,
    explain ? (given) => folderPlanEvent("dataset/", given, transfer, false) : undefined,
  );
  started.push(said);
  const printed = () => {
    // What was said in this turn leaves at once.
    void output.flush();
    return stdout;
  };
  return { said, printed, screen };
}

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; !condition(); round++) {
    if (round > 2_000) throw new Error("waited for too long");
    await Bun.sleep(1);
  }
}

const plan: FolderFetchPlan = {
  toFetch: { files: 3, bytes: 3_000 },
  alreadyThere: { files: 1, bytes: 10 },
  small: 3,
  sources: [{ host: "10.0.0.5", port: 7767 }],
  path: "out",
};
const fetched: FolderFetched = {
  fetched: { files: 2, bytes: 2_000 },
  alreadyThere: { files: 1, bytes: 10 },
  failed: [{ name: "dataset/c", error: new NoSourceError("no source delivered for 30 s") }],
  seconds: 0.123456,
  resumedBytes: 500,
  sources: [
    {
      host: "10.0.0.5",
      port: 7767,
      bytes: 1_500,
      badChunks: 0,
      bytesPerSecond: 12_195,
      stalls: 0,
      busyAnswers: 0,
      connections: 4,
      waitedSeconds: 0,
    },
  ],
  receipt: {
    bytesPerSecond: 12_000,
    bestBytesPerSecond: 13_000,
    bottleneck: "disk",
    because: "writing took 60 % of the threads' time",
    hashingSeconds: 0.01,
    writingSeconds: 0.07,
  },
};

function storedFile(name: string, alreadyThere = false): StoredFile {
  return {
    name: `dataset/${name}`,
    path: `out/${name}`,
    sizeBytes: 1_000,
    md5: "m",
    root: "r",
    alreadyThere,
  };
}

/** A whole download as the engine tells it. */
function tell(said: FolderOutput): void {
  said.matched({ files: 4, bytes: 3_010, problems: 1 });
  said.failed({ name: "dataset/d", error: new WouldOverwriteError("out/d exists and is different") });
  said.stored(storedFile("z", true));
  said.planned(plan);
  said.progress({ files: 1, bytes: 1_000, bytesPerSecond: 12_195.4, sources: 1 });
  said.progress({ files: 2, bytes: 1_500, bytesPerSecond: 12_195.4, sources: 1 });
  said.stored(storedFile("a"));
  for (const failure of fetched.failed) said.failed(failure);
  said.notice("source 10.0.0.5:7767: connection reset; trying again");
  said.close();
  said.complete(fetched);
}

test("with --json everything is an event, progress twice a second at most", () => {
  const { said, printed, screen } = make({ json: true });
  tell(said);
  expect(printed().events).toEqual([
    { event: "matched", pattern: "dataset/", files: 4, bytes: 3_010, problems: 1 },
    {
      event: "failed",
      name: "dataset/d",
      code: "WOULD_OVERWRITE",
      exit: 9,
      message: "out/d exists and is different",
    },
    {
      event: "stored",
      name: "dataset/z",
      path: "out/z",
      size: 1_000,
      md5: "m",
      root: "r",
      alreadyThere: true,
    },
    {
      event: "progress",
      bytes: 1_000,
      size: 3_000,
      bytesPerSecond: 12_195,
      sources: 1,
      files: 1,
      totalFiles: 3,
    },
    {
      event: "stored",
      name: "dataset/a",
      path: "out/a",
      size: 1_000,
      md5: "m",
      root: "r",
      alreadyThere: false,
    },
    {
      event: "failed",
      name: "dataset/c",
      code: "NO_SOURCE",
      exit: 5,
      message: "no source delivered for 30 s",
    },
    {
      event: "summary",
      pattern: "dataset/",
      path: "out",
      fetched: { files: 2, bytes: 2_000 },
      alreadyThere: { files: 1, bytes: 10 },
      failed: 1,
      seconds: 0.123,
      resumedBytes: 500,
      sources: fetched.sources.map((source) => ({ ...source })),
      receipt: { ...fetched.receipt! },
    },
  ]);
  expect(screen.written).toBe("warning: source 10.0.0.5:7767: connection reset; trying again\n");
});

test.each<[Partial<FolderFetched>, string]>([
  [
    { seconds: 1.5 },
    "12.0 kB/s, 13.0 kB/s at best; the bottleneck was the disk: writing took 60 % of the threads' time",
  ],
  [{ seconds: 0.9 }, ""],
  [{ seconds: 1.5, receipt: undefined }, ""],
])("what held it back is said on standard error when it took a while, row %#", (different, line) => {
  const { said, screen } = make({});
  said.planned(plan);
  said.close();
  said.complete({ ...fetched, ...different });
  if (line === "") expect(screen.written).toBe("");
  else expect(screen.written).toContain(line);
});

test("in words: what it stands for and what came of it; failures on standard error", () => {
  const { said, printed, screen } = make({});
  tell(said);
  expect(printed().written.split("\n")).toEqual([
    "dataset/: 4 files, 3.01 kB; 1 other cannot be fetched",
    "out: 2 files, 2.00 kB in 0.12 s (12.2 kB/s), 500 B were there, every chunk verified; 1 was already there, 1 failed",
    "  10.0.0.5:7767  1.50 kB  100 %",
    "",
  ]);
  expect(screen.written.split("\n")).toEqual([
    "error: dataset/d: out/d exists and is different",
    "error: dataset/c: no source delivered for 30 s",
    "warning: source 10.0.0.5:7767: connection reset; trying again",
    "",
  ]);
});

test("--explain: the plan, as an event and in words", () => {
  const machine = make({ json: true, explain: true });
  machine.said.planned(plan);
  expect(machine.printed().events).toEqual([
    {
      event: "folder-plan",
      pattern: "dataset/",
      path: "out",
      files: 3,
      bytes: 3_000,
      alreadyThere: { files: 1, bytes: 10 },
      small: 3,
      sources: [{ host: "10.0.0.5", port: 7767 }],
      connections: 16,
      threads: 2,
      requestBytes: 8_388_608,
      downBytesPerSecond: null,
      serves: false,
    },
  ]);
  const person = make({ explain: true });
  person.said.planned(plan);
  expect(person.printed().written).toStartWith("plan: 3 files, 3.00 kB from 1 source\n");
});

test.each([
  [60, /^█+░+ {2}33 % {2}1\/3 files {2}1\.00 kB\/s {2}2 s left$/],
  [
    120,
    /^dataset\/ {2}█+░+ {3}33 % {2}1 of 3 files {2}1\.00 kB\/s {4}2 s left {2}1\.00 kB of 3\.00 kB {2}1 source$/,
  ],
])("one bar for all files, in %d columns, with failures above it", async (columns, expected) => {
  const { said, screen } = make({ columns });
  said.planned(plan);
  const first = screen.rows.at(-1) ?? "";
  expect(first).toContain(columns < 100 ? "0/3 files" : "0 of 3 files");
  said.progress({ files: 1, bytes: 1_000, bytesPerSecond: 1_000, sources: 1 });
  await until(() => screen.rows.at(-1)?.includes("33 %") === true);
  const bar = screen.rows.at(-1) ?? "";
  expect(bar).toMatch(expected);
  expect(Bun.stringWidth(bar)).toBeLessThan(columns);
  said.failed({ name: "dataset/d", error: new NoSourceError("gone") });
  expect(screen.rows).toEqual(["error: dataset/d: gone", bar]);
  said.close();
  expect(screen.rows).toEqual(["error: dataset/d: gone", ""]);
});

test("no bar when all of it is there already", () => {
  const { said, printed, screen } = make({ columns: 80 });
  const none = { files: 0, bytes: 0 };
  said.planned({ ...plan, toFetch: none });
  said.complete({ ...fetched, fetched: none, failed: [] });
  expect(screen.written).toBe("");
  expect(printed().written).toStartWith("dataset/: the 1 file is already there, verified\n");
});

describe("many files", () => {
  const failures = Array.from({ length: 37 }, (_, at) => ({
    name: `dataset/${at}`,
    error: new NoSourceError("gone"),
  }));

  test("people are told of 20 failures and of the number, machines of all", () => {
    const person = make({});
    const machine = make({ json: true });
    for (const { said } of [person, machine]) {
      for (const failure of failures) said.failed(failure);
      said.complete({ ...fetched, failed: failures });
    }
    expect(person.screen.written.split("\n")).toHaveLength(21);
    expect(person.printed().written).toContain("37 failed (--json names all of them)\n");
    expect(machine.printed().events.filter(({ event }) => event === "failed")).toHaveLength(37);
  });

  test("stored files are not even looked at without --json", () => {
    const { said, printed, screen } = make({});
    const untouchable = new Proxy(storedFile("a"), {
      get: () => {
        throw new Error("something was built that nobody sees");
      },
    });
    said.stored(untouchable);
    expect(printed().written + screen.written).toBe("");
  });
});
