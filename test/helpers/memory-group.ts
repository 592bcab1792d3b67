/** Processes that may have so much memory together and no more: a control group of Linux, in either version. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const first = "/sys/fs/cgroup/memory";
const second = "/sys/fs/cgroup";
const isFirst = existsSync(join(first, "memory.limit_in_bytes"));

let groups = 0;

/** Started in it by `under` of a sandbox. To be disposed when they have ended. */
export class MemoryGroup implements Disposable {
  readonly under: readonly string[];
  private readonly folder: string;

  constructor(limitBytes: number) {
    this.folder = join(isFirst ? first : second, `p2p-test-${process.pid}-${++groups}`);
    mkdirSync(this.folder);
    try {
      writeFileSync(join(this.folder, isFirst ? "memory.limit_in_bytes" : "memory.max"), `${limitBytes}`);
    } catch (error) {
      rmdirSync(this.folder);
      throw error;
    }
    this.under = ["sh", "-c", `echo 0 > "$0" && exec "$@"`, join(this.folder, "cgroup.procs")];
  }

  /** Processes that were ended because there was no more. */
  get kills(): number {
    const text = readFileSync(join(this.folder, isFirst ? "memory.oom_control" : "memory.events"), "utf8");
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1]);
  }

  [Symbol.dispose](): void {
    rmdirSync(this.folder);
  }
}

export function canLimitMemory(): boolean {
  try {
    new MemoryGroup(64 * 1024 * 1024)[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}
