/** One timed run of one program, what it cost each side, and whether something else disturbed it. */
import { existsSync, rmSync } from "node:fs";
import { Ballast, gib, mib, quiet } from "../measure.ts";
import { availableBytes, type CpuSeconds, otherCpuSeconds, type Role } from "./processes.ts";
import { type Contender, type Plan, Stage, type StartDownload } from "./stage.ts";
import type { Workspace } from "./workspace.ts";

export interface Measured {
  /** From the first start until the last downloader is done. */
  seconds: number;
  /** Of one downloader, in the mean. */
  downloaderCpu: CpuSeconds;
  /** Of all sources and of what helps them. */
  sourceCpu: CpuSeconds;
  /** The most of a single one. Mapped file pages count, unlike in the anonymous part. */
  downloaderMib: Memory;
  sourceMib: Memory;
  /** What the first source sent, headers included; only between hosts. */
  sentBytes: number | undefined;
  /** CPU that everything else on the machine took meanwhile. */
  otherCpuSeconds: number;
  disturbed: boolean;
}

export interface Memory {
  peak: number;
  anonymous: number;
}

/** Told of each run when it counts: `during` sees the stage while the program runs. */
export interface TrialOptions {
  during?: (stage: Stage) => void;
}

const sampleIntervalMs = 50;
/** What takes little longer than that is looked at more often. */
const briefBytes = 64 * mib;

export async function trial(
  workspace: Workspace,
  contender: Contender,
  plan: Plan,
  options: TrialOptions = {},
): Promise<Measured> {
  await using stage = new Stage(workspace, plan);
  const start = await contender.prepare(stage);
  await quiet();
  using _ballast = warmMemory(stage, plan);
  const clock = new Clock(stage, plan, options);
  const measured = await clock.run(start);
  await stage.endProcesses();
  if (contender.leavesOutput !== false) await compareOutputs(stage, plan);
  return measured;
}

/** Runs the downloads and reads the meters. */
class Clock {
  constructor(
    private readonly stage: Stage,
    private readonly plan: Plan,
    private readonly options: TrialOptions,
  ) {}

  async run(start: StartDownload): Promise<Measured> {
    const { stage, plan } = this;
    for (const each of stage.processes) each.startMeasuring();
    const sentBefore = plan.sources[0]!.sentBytes?.();
    const otherBefore = this.cpuOfOthers();
    const intervalMs = plan.payload.bytes < briefBytes ? 5 : sampleIntervalMs;
    const sampler = setInterval(() => this.sample(), intervalMs);
    try {
      const startedMs = performance.now();
      await Promise.all([...plan.downloaders.keys()].map((at) => start(at)));
      const seconds = (performance.now() - startedMs) / 1000;
      this.sample();
      return this.result(seconds, otherBefore, sentBefore);
    } finally {
      clearInterval(sampler);
    }
  }

  private sample(): void {
    for (const each of this.stage.processes) each.sample();
    this.options.during?.(this.stage);
  }

  private result(seconds: number, otherBefore: number, sentBefore: number | undefined): Measured {
    const { plan } = this;
    const other = Math.max(0, this.cpuOfOthers() - otherBefore);
    const sentNow = plan.sources[0]!.sentBytes?.();
    const count = plan.downloaders.length;
    const downloaders = this.cpuOf("downloader");
    return {
      seconds,
      downloaderCpu: { user: downloaders.user / count, system: downloaders.system / count },
      sourceCpu: this.cpuOf("source", "helper"),
      downloaderMib: this.memoryOf("downloader"),
      sourceMib: this.memoryOf("source"),
      sentBytes: sentBefore === undefined || sentNow === undefined ? undefined : sentNow - sentBefore,
      otherCpuSeconds: other,
      disturbed: other > disturbedFrom(seconds),
    };
  }

  /** Everything but this process and what it started for the run. */
  private cpuOfOthers(): number {
    const ours = this.cpuOf("source", "helper", "downloader");
    return otherCpuSeconds() - ours.user - ours.system;
  }

  private cpuOf(...roles: Role[]): CpuSeconds {
    const sum = { user: 0, system: 0 };
    for (const each of this.stage.processes.filter(({ role }) => roles.includes(role))) {
      const { user, system } = each.cpu;
      sum.user += user;
      sum.system += system;
    }
    return sum;
  }

  private memoryOf(role: Role): Memory {
    const those = this.stage.processes.filter((each) => each.role === role);
    return {
      peak: Math.max(0, ...those.map(({ peakMib }) => peakMib)),
      anonymous: Math.max(0, ...those.map(({ peakAnonymousMib }) => peakAnonymousMib)),
    };
  }
}

/** 0.3 of a core, and the grain of the clock that short runs are measured with. */
function disturbedFrom(seconds: number): number {
  return 0.3 * seconds + 0.1;
}

/** As much as all outputs need, as far as there is memory for it. */
function warmMemory(stage: Stage, { payload, downloaders }: Plan): Disposable {
  const wanted = payload.bytes * downloaders.length;
  const bytes = Math.min(wanted, availableBytes() - reserveBytes);
  return wanted < mib || bytes < mib ? { [Symbol.dispose]() {} } : new Ballast(stage.folder, bytes);
}

const reserveBytes = 2 * gib;

async function compareOutputs(stage: Stage, plan: Plan): Promise<void> {
  const isFolder = plan.payload.files !== undefined;
  for (const at of plan.downloaders.keys()) {
    // Some write the folder itself, some what is in it.
    const output = existsSync(stage.outputPath(at)) ? stage.outputPath(at) : stage.outputFolder(at);
    const argv = isFolder ? ["diff", "-rq", stage.payloadPath, output] : ["cmp", stage.payloadPath, output];
    const child = Bun.spawn(argv, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    if (code !== 0) throw new Error(`the output is not the payload: ${(out + err).trim().slice(0, 500)}`);
    rmSync(output, { recursive: true, force: true });
  }
}
