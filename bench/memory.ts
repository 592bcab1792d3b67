/** Resident memory of each role, and how fast an unchanged folder of many files is ready again. */
import { join } from "node:path";
import type { BinaryProcess } from "../test/helpers/binary-process.ts";
import { Sandbox } from "../test/helpers/sandbox.ts";
import {
  type BenchOptions,
  gib,
  makeFile,
  makeFolder,
  memoryFolder,
  memoryMib,
  type Row,
} from "./measure.ts";

const manyFiles = 10_000;
const largeGib = 4;
/** For what is only needed at the start to be given back. */
const idleMs = 2_000;

export async function benchMemory(_options: BenchOptions): Promise<Row[]> {
  await using box = new Sandbox({ parent: memoryFolder });
  const index = await box.index(["--db", join(box.folder, "index.db")]);
  const idle = await box.peer(index, box.newFolder("empty"));
  await Bun.sleep(idleMs);
  const rows = [
    row("index, idle: VmRSS", 80, memoryMib(index.process.pid, "VmRSS")),
    row("peer, nothing shared, idle: VmRSS", 80, memoryMib(idle.process.pid, "VmRSS")),
  ];
  rows.push(...(await manyFilesRows(box, index)));
  rows.push(row(`index with ${manyFiles} files: VmRSS`, undefined, memoryMib(index.process.pid, "VmRSS")));
  rows.push(await downloaderRow(box, index));
  return rows;
}

async function manyFilesRows(box: Sandbox, index: { address: string }): Promise<Row[]> {
  const shared = box.newFolder("many");
  makeFolder(shared, manyFiles, 1024);
  const state = { env: { P2P_HOME: box.newFolder("state") }, timeoutMs: 120_000 };
  const first = await box.peer(index, shared, [], state);
  await Bun.sleep(idleMs);
  const memory = memoryMib(first.process.pid, "VmRSS");
  const most = memoryMib(first.process.pid, "VmHWM");
  await first.process.end();
  const startedMs = performance.now();
  const again = await box.peer(index, shared, [], state);
  const seconds = (performance.now() - startedMs) / 1000;
  await again.process.end();
  return [
    row(`peer sharing ${manyFiles} files: VmRSS`, 150, memory),
    row(`peer sharing ${manyFiles} files: VmHWM`, undefined, most),
    {
      figure: `unchanged restart with ${manyFiles} files, until registered`,
      target: "under 2 s",
      measured: `${seconds.toFixed(2)} s`,
      ratio: (seconds / 2).toFixed(2),
      met: seconds < 2,
    },
  ];
}

async function downloaderRow(box: Sandbox, index: { address: string }): Promise<Row> {
  const shared = box.newFolder("large");
  makeFile(join(shared, "large.bin"), largeGib * gib);
  await box.peer(index, shared, [], { timeoutMs: 120_000 });
  const out = box.newFolder("out");
  const query = box.start(["query", "large.bin", "--index", index.address, "--quiet", "-o", out]);
  const most = await highestMemoryMib(query);
  if (query.exitCode !== 0) throw new Error(query.said());
  return row(`downloader of a ${largeGib} GiB file: VmHWM`, 200, most);
}

/** The last VmHWM that could be read before the end; it only ever grows. */
async function highestMemoryMib(running: BinaryProcess): Promise<number> {
  let most = 0;
  const sample = setInterval(() => {
    if (running.exitCode === undefined) most = Math.max(most, tryMemory(running.pid));
  }, 20);
  await running.exit(300_000).finally(() => clearInterval(sample));
  return most;
}

function tryMemory(pid: number): number {
  try {
    return memoryMib(pid, "VmHWM");
  } catch {
    return 0; // It ended between the question and the answer.
  }
}

function row(figure: string, targetMib: number | undefined, value: number): Row {
  const measured = `${value.toFixed(0)} MiB`;
  if (targetMib === undefined) return { figure, target: "", measured, ratio: "", met: undefined };
  const ratio = (value / targetMib).toFixed(2);
  return { figure, target: `under ${targetMib} MiB`, measured, ratio, met: value < targetMib };
}
