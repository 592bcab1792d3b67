/**
 * Runs one command to its end or to its bound, whichever comes first, and keeps what it said. Which commands there
 * are and what their failure means is the caller's.
 */

export interface Step {
  argv: readonly string[];
  cwd: string;
  timeoutMs: number;
  env?: Record<string, string>;
}

export interface StepResult {
  /** 0 only when the command ended by itself, in time, with exit code 0. */
  code: number;
  timedOut: boolean;
  output: string;
  seconds: number;
}

/** Process groups that are still running, so that an interrupted script leaves none behind. */
const running = new Set<number>();
let interrupted = false;

/** What `runStep` throws once `endSteps` was called: there is nothing left to do but to clean up. */
export class StepsEnded extends Error {}

export async function runStep(step: Step): Promise<StepResult> {
  if (interrupted) throw new StepsEnded();
  const startedMs = performance.now();
  // A group of its own: what the command started goes with it when it is ended.
  const child = Bun.spawn([...step.argv], {
    cwd: step.cwd,
    env: { ...process.env, NO_COLOR: "1", ...step.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  running.add(child.pid);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    endGroup(child.pid);
  }, step.timeoutMs);
  try {
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (interrupted) throw new StepsEnded();
    const seconds = (performance.now() - startedMs) / 1000;
    return { code: timedOut ? 1 : code, timedOut, output: out + err, seconds };
  } finally {
    clearTimeout(timer);
    running.delete(child.pid);
  }
}

/** Ends what is running and starts nothing any more; for signal handlers. */
export function endSteps(): void {
  interrupted = true;
  for (const pid of running) endGroup(pid);
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended by itself in the meantime.
  }
}
