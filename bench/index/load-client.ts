/** The load client (load.c), started and understood. */
import type { MeasuredProcess } from "../transfer/processes.ts";
import { hello } from "./requests.ts";
import type { Workspace } from "./workspace.ts";

export interface LoadResult {
  /** Answers a second. */
  rate: number;
  answers: number;
  seconds: number;
  p50Us: number;
  p99Us: number;
  maxUs: number;
  unanswered: number;
  errors: number;
  /** Also those before measuring began. */
  allAnswers: number;
  /** That the server needed for each of them, microseconds: less at the mercy of other programs than times are. */
  cpuUs: number;
  /** Answers in each second. */
  eachSecond: number[];
}

/** What is loaded. */
export interface Target {
  readonly port: number;
  /** So far. */
  readonly cpuSeconds: number;
}

export interface LoadOptions {
  server: Target;
  /** Requests, one a line. */
  file: string;
  connections?: number;
  /** Requests outstanding on each connection. */
  depth?: number;
  /** Requests a second, whatever is answered; without it, each answer makes the next request. */
  rate?: number;
  seconds?: number;
  warmSeconds?: number;
  /** Said first; empty for servers that know none. */
  hello?: string;
  linesPerAnswer?: number;
  /** Runs on this processor alone. */
  core?: number;
}

/** Until its time is over. */
export async function load(workspace: Workspace, options: LoadOptions): Promise<LoadResult> {
  return await startLoad(workspace, options).result();
}

export interface RunningLoad {
  /** Ends it; what it has measured so far counts. */
  stop(): void;
  result(): Promise<LoadResult>;
}

const patienceMs = 60_000;

export function startLoad(workspace: Workspace, options: LoadOptions): RunningLoad {
  const seconds = options.seconds ?? workspace.settings.seconds;
  const { core, rate, server } = options;
  const cpuBefore = server.cpuSeconds;
  const started = workspace.start([
    ...(core === undefined ? [] : ["taskset", "-c", String(core)]),
    ...[
      workspace.loadClient,
      "requests",
      `port=${server.port}`,
      `file=${options.file}`,
      `seconds=${seconds}`,
    ],
    ...[
      `connections=${options.connections ?? 1}`,
      `depth=${options.depth ?? 1}`,
      `warm=${options.warmSeconds ?? 0.5}`,
    ],
    ...[`hello=${options.hello ?? hello}`, `lines=${options.linesPerAnswer ?? 1}`],
    ...(rate === undefined ? [] : [`rate=${rate}`]),
  ]);
  return {
    stop: () => started.process.kill("SIGTERM"),
    result: async () => {
      const said = await resultOf(started, seconds * 1000 + patienceMs);
      return { ...said, cpuUs: ((server.cpuSeconds - cpuBefore) * 1e6) / said.allAnswers };
    },
  };
}

async function resultOf({ process }: MeasuredProcess, timeoutMs: number): Promise<Omit<LoadResult, "cpuUs">> {
  if ((await process.exit(timeoutMs)) !== 0)
    throw new Error(`the load client failed: ${process.stderr.trim()}`);
  const result = JSON.parse(process.stdout) as LoadResult;
  if (result.errors > 0) throw new Error(`${result.errors} of ${result.answers} answers were errors`);
  if (result.answers === 0) throw new Error("nothing was answered");
  return result;
}

export interface Bulk extends AsyncDisposable {
  seconds: number;
}

/** Sends a file of requests as fast as they are taken. The connection stays until the result is disposed of. */
export async function bulk(
  workspace: Workspace,
  options: { port: number; file: string; hello?: string; timeoutMs?: number },
): Promise<Bulk> {
  const argv = [workspace.loadClient, "bulk", `port=${options.port}`, `file=${options.file}`];
  const started = workspace.start([...argv, `hello=${options.hello ?? hello}`], { stdin: "open" });
  const { seconds } = await firstLine(started, options.timeoutMs ?? 600_000);
  return { seconds, [Symbol.asyncDispose]: async () => await started.process.end() };
}

/** What a `bulk` says when all is answered. */
export async function firstLine(
  { process }: MeasuredProcess,
  timeoutMs: number,
): Promise<{ seconds: number }> {
  await process.waitUntil(() => process.stdout.includes("\n"), "end of the registration", timeoutMs);
  const said = JSON.parse(process.stdout.split("\n", 1)[0]!) as { seconds: number; errors: number };
  if (said.errors > 0) throw new Error(`${said.errors} requests were answered with errors`);
  return said;
}
