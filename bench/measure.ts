/**
 * How a figure is taken: a quiet machine, warm memory, alternating runs, the median. What is measured is in the
 * file of each benchmark. Linux only: memory and CPU come from /proc.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";

export const mib = 1024 * 1024;
export const gib = 1024 * mib;

/** Data lives in memory, so that no disk is the limit. */
export const memoryFolder = "/dev/shm";

export interface BenchOptions {
  /** Counted runs of each program. */
  runs: number;
  /** Size of the file that is transferred. */
  transferGib: number;
}

/** A row of the result: one figure, what it should be, and what it was. */
export interface Row {
  figure: string;
  target: string;
  measured: string;
  /** The measured value against the target or the other program, where that makes sense. */
  ratio: string;
  /** undefined when there is no target. */
  met: boolean | undefined;
}

export function table(rows: readonly Row[]): string {
  const lines = ["| figure | target | measured | ratio | |", "| --- | --- | --- | --- | --- |"];
  for (const { figure, target, measured, ratio, met } of rows) {
    const verdict = met === undefined ? "" : met ? "met" : "**missed**";
    lines.push(`| ${figure} | ${target} | ${measured} | ${ratio} | ${verdict} |`);
  }
  return lines.join("\n");
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** `1.02 (0.98 to 1.10)`: the median and the range, so that a noisy machine shows. */
export function spread(values: readonly number[], digits: number, unit = ""): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)}${unit} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}

export function machine(): string {
  const model = cpus()[0]?.model ?? "unknown processor";
  const congestion = readFileSync("/proc/sys/net/ipv4/tcp_congestion_control", "utf8").trim();
  const memory = `${Math.round(totalmem() / gib)} GiB`;
  return `${cpus().length} cores of ${model}, ${memory}, Linux ${release().split("-")[0]}, TCP congestion control ${congestion} for all`;
}

/** Runs so far that began although other programs kept the machine busy. */
let disturbedRuns = 0;

/** Waits for the other programs of the machine to pause, but not for ever. */
export async function quiet(): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const before = busySeconds();
    await Bun.sleep(250);
    if (busySeconds() - before < 0.05) return;
  }
  disturbedRuns++;
}

/** What to say below the table when the figures are not to be trusted much, or undefined. */
export function disturbance(): string | undefined {
  if (disturbedRuns === 0) return undefined;
  return `${disturbedRuns} runs began while other programs were busy: measure again on a quiet machine.`;
}

/** CPU seconds that all processes of the machine have used since it started. */
function busySeconds(): number {
  const fields =
    readFileSync("/proc/stat", "utf8").split("\n", 1)[0]?.trim().split(/\s+/).slice(1, 9).map(Number) ?? [];
  const idle = (fields[3] ?? 0) + (fields[4] ?? 0);
  return (fields.reduce((sum, each) => sum + each, 0) - idle) / 100;
}

/** User and system seconds of a running process. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Resident memory of a running process in MiB: now (`VmRSS`) or the most it ever had (`VmHWM`). */
export function memoryMib(pid: number, field: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has ended`);
  return Number(kib) / 1024;
}

/**
 * Warm memory for what a run is going to write into `folder`: as much is written before, and given back bit by bit
 * while the run's own files grow. A virtual machine hands memory that is free back to its host, within seconds, and
 * the next touch of such a page costs several times more; whoever ran at the wrong moment would pay for it.
 */
export class Ballast implements Disposable {
  private readonly files: string[] = [];
  private readonly timer: Timer;
  private readonly usedAtStart: number;
  private freedBytes = 0;

  constructor(
    private readonly folder: string,
    bytes: number,
  ) {
    for (let index = 0; index * ballastFileBytes < bytes + ballastLeadBytes; index++) {
      const path = join(folder, `.ballast-${index}`);
      writeBlocks(path, ballastFileBytes);
      this.files.push(path);
    }
    this.usedAtStart = this.usedBytes();
    this.free(ballastLeadBytes);
    this.timer = setInterval(() => {
      const growth = this.usedBytes() - this.usedAtStart + this.freedBytes;
      this.free(growth + ballastLeadBytes);
    }, 5);
  }

  /** Frees until `bytes` have been freed in all. */
  private free(bytes: number): void {
    while (this.freedBytes < bytes) {
      const path = this.files.pop();
      if (path === undefined) return;
      rmSync(path);
      this.freedBytes += ballastFileBytes;
    }
  }

  private usedBytes(): number {
    const { blocks, bfree, bsize } = statfsSync(this.folder);
    return (blocks - bfree) * bsize;
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
    this.free(Number.POSITIVE_INFINITY);
  }
}

const ballastFileBytes = 64 * mib;
/** How far the freeing is ahead of the run. */
const ballastLeadBytes = 512 * mib;

/** A file without two equal chunks, last changed an hour ago so that it counts as settled. */
export function makeFile(path: string, bytes: number): void {
  writeBlocks(path, bytes);
  const anHourAgo = new Date(Date.now() - 3_600_000);
  utimesSync(path, anHourAgo, anHourAgo);
}

function writeBlocks(path: string, bytes: number): void {
  const block = Buffer.alloc(Math.min(mib, bytes));
  crypto.getRandomValues(new Uint8Array(block.buffer, block.byteOffset, Math.min(block.length, 65_536)));
  for (let at = 65_536; at < block.length; at += 65_536)
    block.copy(block, at, 0, Math.min(65_536, block.length - at));
  const descriptor = openSync(path, "w");
  try {
    for (let done = 0, index = 0; done < bytes; index++) {
      if (block.length >= 8) block.writeBigUInt64LE(BigInt(index), 0);
      done += writeSync(descriptor, block, 0, Math.min(block.length, bytes - done));
    }
  } finally {
    closeSync(descriptor);
  }
}

/** A folder of files of one size: `count` of them, in folders of a hundred. */
export function makeFolder(path: string, count: number, bytes: number): string[] {
  const files: string[] = [];
  for (let index = 0; index < count; index++) {
    const folder = join(path, `d${Math.floor(index / 100)}`);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `f${index}.bin`);
    makeFile(file, bytes);
    files.push(file);
  }
  return files;
}

export interface Finished {
  seconds: number;
  cpuSeconds: number;
}

/** Runs another program to its end; a failure of it ends the benchmark. */
export async function runProgram(argv: string[]): Promise<Finished> {
  const startedMs = performance.now();
  const child = Bun.spawn(argv, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const [complaint, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  const seconds = (performance.now() - startedMs) / 1000;
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}: ${complaint.trim()}`);
  return { seconds, cpuSeconds: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6 };
}

export function requireProgram(name: string, packageName: string): string {
  const path = Bun.which(name, { PATH: `${process.env.PATH ?? ""}:/usr/sbin` });
  if (path === null) throw new Error(`this benchmark needs ${name} (Debian: apt-get install ${packageName})`);
  return path;
}
