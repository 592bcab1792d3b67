/**
 * A flood from one address, in a process of its own that gets what CPU time others leave: it stands for another machine,
 * which has its own. Ends by its pid.
 */
import { join } from "node:path";
import type { FloodPlan } from "./flood-process.ts";

export class Flood implements AsyncDisposable {
  private readonly process: Bun.Subprocess;

  constructor(plan: FloodPlan) {
    const file = join(import.meta.dir, "flood-process.ts");
    const nice = Bun.which("nice") === null ? [] : ["nice", "-n", "19"];
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
