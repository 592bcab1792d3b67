/** One run of one program: who takes part, what it starts, and where its outputs go. Everything ends with it. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { BinaryProcess } from "../../test/helpers/binary-process.ts";
import { gib } from "../measure.ts";
import { type HostNetwork, hubAddress, loopbackPlaces, type Place } from "./namespace.ts";
import { type Payload, pathOf } from "./payload.ts";
import { MeasuredProcess, type Role } from "./processes.ts";
import type { Workspace } from "./workspace.ts";

/** What is to be done, whoever does it. */
export interface Plan {
  payload: Payload;
  sources: readonly Place[];
  downloaders: readonly Place[];
  /** Where an index or a tracker runs. */
  hub: Place;
  /** For what is the same in every run and expensive to make: hash caches, torrents. */
  cacheFolder: string;
  /** Upload and download rate of everybody; undefined without a limit. */
  capBytesPerSecond?: number;
  timeoutMs: number;
}

/** For hashing, moving and comparing at a tenth of the usual pace. */
function timeoutMsFor({ bytes }: Payload): number {
  return 120_000 + 60_000 * (bytes / gib);
}

export function loopbackPlan(workspace: Workspace, payload: Payload, sources = 1): Plan {
  return {
    payload,
    sources: loopbackPlaces(sources, 1),
    downloaders: loopbackPlaces(1, 101),
    hub: { address: "127.0.0.1", enter: [] },
    cacheFolder: workspace.newFolder("cache"),
    timeoutMs: timeoutMsFor(payload),
  };
}

/** The first host of the network is the source, all others download. */
export function crowdPlan(workspace: Workspace, payload: Payload, network: HostNetwork): Plan {
  return {
    payload,
    sources: network.places.slice(0, 1),
    downloaders: network.places.slice(1),
    hub: { address: hubAddress, enter: [] },
    cacheFolder: workspace.newFolder("cache"),
    timeoutMs: timeoutMsFor(payload),
  };
}

/** With several downloaders, those that are done stay and serve the others. */
export function isCrowd({ downloaders }: Plan): boolean {
  return downloaders.length > 1;
}

/** A program that moves files, as the benchmark sees it. */
export interface Contender {
  name: string;
  /** What it compares with a hash, in a few words. */
  verifies: string;
  /** Why it cannot take part, or undefined. */
  absent(workspace: Workspace): string | undefined;
  /** Starts the sources. The clock runs from the first call of what it returns. */
  prepare(stage: Stage): Promise<StartDownload>;
  /** Without an output there is nothing to compare. */
  leavesOutput?: boolean;
}

/** Starts one downloader; resolves when it has everything, rejects when it failed. */
export type StartDownload = (at: number) => Promise<unknown>;

interface StartOptions {
  env?: Record<string, string>;
  stdin?: "open" | "null";
}

export class Stage implements AsyncDisposable {
  readonly processes: MeasuredProcess[] = [];
  readonly folder: string;
  private readonly helpers: AsyncDisposable[] = [];

  constructor(
    readonly workspace: Workspace,
    readonly plan: Plan,
  ) {
    this.folder = workspace.newFolder("stage");
    for (const at of plan.downloaders.keys()) mkdirSync(this.outputFolder(at));
  }

  outputFolder(at: number): string {
    return join(this.folder, `out-${at}`);
  }

  /** Where most programs write the payload to. */
  outputPath(at: number): string {
    return join(this.outputFolder(at), this.plan.payload.name);
  }

  get payloadPath(): string {
    return pathOf(this.plan.payload);
  }

  start(role: Role, place: Place, argv: readonly string[], options: StartOptions = {}): MeasuredProcess {
    const home = this.newFolder("home");
    const started = new MeasuredProcess(role, {
      argv: [...place.enter, ...argv],
      cwd: home,
      env: { ...this.workspace.environment(home), ...options.env },
      stdin: options.stdin ?? "null",
    });
    this.processes.push(started);
    return started;
  }

  newFolder(label: string): string {
    const path = join(this.folder, `${label}-${this.processes.length}`);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** A part of this process that the run needs, such as a tracker. */
  own<Helper extends AsyncDisposable>(helper: Helper): Helper {
    this.helpers.push(helper);
    return helper;
  }

  /** Ends with a failure of the program. */
  async exited({ process }: MeasuredProcess): Promise<void> {
    if ((await process.exit(this.plan.timeoutMs)) !== 0) throw new Error(whatItSaid(process));
  }

  /** For programs that stay after their download. */
  async completed({ process }: MeasuredProcess): Promise<void> {
    await process.waitForEvent("complete", { timeoutMs: this.plan.timeoutMs });
  }

  async endProcesses(): Promise<void> {
    await Promise.all(this.processes.map(({ process }) => process.end()));
    await Promise.all(this.helpers.map((each) => each[Symbol.asyncDispose]()));
    this.helpers.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endProcesses();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function whatItSaid({ exitCode, stdout, stderr }: BinaryProcess): string {
  const said = `${stderr}\n${stdout}`.trim().split("\n");
  return `exit code ${exitCode}: ${said.slice(0, maxSaidLines).join("\n")}`;
}

const maxSaidLines = 20;

/** Polls `condition`; for what says nothing when it is ready. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 15_000,
) {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`no ${what} within ${timeoutMs / 1000} s`);
    await Bun.sleep(pollMs);
  }
}

const pollMs = 5;

export async function waitForPort(host: string, port: number): Promise<void> {
  await waitUntil(async () => await accepts(host, port), `listener on ${host}:${port}`);
}

async function accepts(host: string, port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: host, port, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}
