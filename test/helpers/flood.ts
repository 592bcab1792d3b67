/**
 * A flood from one address, in a process of its own. It stands for another machine, so where times are measured it is
 * to get the CPU time that others leave. Ends by its pid.
 */
import { join } from "node:path";
import type { FloodPlan } from "./flood-process.ts";

export class Flood implements AsyncDisposable {
  private readonly process: Bun.Subprocess;

  constructor(plan: FloodPlan, { comesLast = false } = {}) {
    const file = join(import.meta.dir, "flood-process.ts");
    const nice = comesLast && Bun.which("nice") !== null ? ["nice", "-n", "19"] : [];
    this.process = Bun.spawn([...nice, process.execPath, file, JSON.stringify(plan)], {
      stdout: "ignore",
      stderr: "inherit",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited;
  }
}
