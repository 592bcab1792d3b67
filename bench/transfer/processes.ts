/**
 * Processes with a price: CPU seconds and memory of a program and of everything it started, from /proc. All that a
 * benchmark starts is started here and ended here, each by its own pid.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { BinaryProcess, type Launch } from "../../test/helpers/binary-process.ts";

/** Whose account a process is on; helpers (a tracker, an index) are on the sources'. */
export type Role = "source" | "downloader" | "helper";

export interface CpuSeconds {
  user: number;
  system: number;
}

export class MeasuredProcess {
  readonly process: BinaryProcess;
  peakMib = 0;
  peakAnonymousMib = 0;
  private base: CpuSeconds = { user: 0, system: 0 };
  private last: CpuSeconds = { user: 0, system: 0 };

  constructor(
    readonly role: Role,
    launch: Launch,
  ) {
    this.process = new BinaryProcess(launch);
    running.add(this.process);
    void this.process.exit(forEverMs).then(() => running.delete(this.process));
  }

  /** What it has used so far is not counted, nor is the most memory it ever had. */
  startMeasuring(): void {
    for (const pid of tree(this.process.pid)) resetPeak(pid);
    this.base = this.last = cpuOf(this.process.pid) ?? this.base;
    this.peakMib = this.peakAnonymousMib = 0;
  }

  sample(): void {
    if (this.process.exitCode !== undefined) return;
    const { peakMib, anonymousMib } = memoryOf(this.process.pid);
    this.peakMib = Math.max(this.peakMib, peakMib);
    this.peakAnonymousMib = Math.max(this.peakAnonymousMib, anonymousMib);
    this.last = cpuOf(this.process.pid) ?? this.last;
  }

  /** Since `startMeasuring`, or since its start. */
  get cpu(): CpuSeconds {
    const { process, base } = this;
    const now = process.exitCode === undefined ? (cpuOf(process.pid) ?? this.last) : this.atEnd();
    return { user: now.user - base.user, system: now.system - base.system };
  }

  /** The total is exact; how it splits is known from the last look at it. */
  private atEnd(): CpuSeconds {
    const total = this.process.cpuSeconds;
    const seen = this.last.user + this.last.system;
    const userShare = seen > 0 ? this.last.user / seen : 0.5;
    return { user: total * userShare, system: total * (1 - userShare) };
  }
}

const forEverMs = 2 ** 31 - 1;
const running = new Set<BinaryProcess>();

/** Ends whatever still runs. For an interruption; otherwise each is ended by who started it. */
export async function endAllProcesses(): Promise<void> {
  await Promise.all([...running].map((each) => each.end()));
}

/** A process and all below it. */
function tree(pid: number): number[] {
  try {
    const below = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return [pid, ...(below === "" ? [] : below.split(" ").flatMap((each) => tree(Number(each))))];
  } catch {
    return []; // It ended meanwhile.
  }
}

/** With what the children that ended had used. undefined when the process itself has ended. */
export function cpuOf(root: number): CpuSeconds | undefined {
  let sum: CpuSeconds | undefined;
  for (const pid of tree(root)) {
    const fields = tryRead(`/proc/${pid}/stat`)?.split(") ")[1]?.split(" ").map(Number);
    if (fields === undefined) continue;
    const [user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = fields.slice(11, 15);
    sum ??= { user: 0, system: 0 };
    sum.user += (user + childrenUser) / ticksPerSecond;
    sum.system += (system + childrenSystem) / ticksPerSecond;
  }
  return sum;
}

/** USER_HZ, which is 100 on every Linux that Bun runs on. */
const ticksPerSecond = 100;

function memoryOf(root: number): { peakMib: number; anonymousMib: number } {
  let [peakMib, anonymousMib] = [0, 0];
  for (const pid of tree(root)) {
    const status = tryRead(`/proc/${pid}/status`) ?? "";
    const kib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
    peakMib += kib("VmHWM") / 1024;
    anonymousMib += kib("RssAnon") / 1024;
  }
  return { peakMib, anonymousMib };
}

function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch {
    // Not allowed here: then the peak is that of its whole life.
  }
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** CPU seconds that the machine has spent on all processes but this one. */
export function otherCpuSeconds(): number {
  const fields = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!.split(/\s+/).slice(1, 9).map(Number);
  const idle = fields[3]! + fields[4]!;
  const busy = (fields.reduce((sum, each) => sum + each, 0) - idle) / ticksPerSecond;
  const { user, system } = process.cpuUsage();
  return busy - (user + system) / 1e6;
}

export function availableBytes(): number {
  return Number(/MemAvailable:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) * 1024;
}
