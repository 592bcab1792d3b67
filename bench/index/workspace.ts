/** The temporary folders of a run, one in memory and one on disk, what was asked, and the load client. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryFolder } from "../measure.ts";
import { endAllProcesses, MeasuredProcess } from "../transfer/processes.ts";

export interface Settings {
  /** Counted rounds of each measurement. */
  runs: number;
  /** All sizes are multiplied by it; targets are for 1. */
  scale: number;
  /** Of each timed load. */
  seconds: number;
  binary: string;
}

export type Storage = "memory" | "disk";

export class Workspace implements AsyncDisposable {
  readonly memory = mkdtempSync(join(memoryFolder, "p2p-bench-index-"));
  readonly disk = mkdtempSync(join(tmpdir(), "p2p-bench-index-"));
  readonly loadClient = join(this.memory, "load");
  /** What `p2p serve-index --help` says, to know what is in this build. */
  readonly serveIndexHelp: string;
  private made = 0;

  constructor(readonly settings: Settings) {
    const { binary } = settings;
    this.serveIndexHelp = Bun.spawnSync([binary, "serve-index", "--help"]).stdout.toString();
    compileLoadClient(this.loadClient);
  }

  /** A new path in the folder of that kind. */
  path(label: string, storage: Storage = "memory"): string {
    return join(this[storage], `${label}-${++this.made}`);
  }

  newFolder(label: string, storage: Storage = "memory"): string {
    const path = this.path(label, storage);
    mkdirSync(path);
    return path;
  }

  /** A size of the issue, as it is in this run. */
  scaled(count: number): number {
    return Math.max(1, Math.round(count * this.settings.scale));
  }

  start(argv: string[], options: { temporary?: string; stdin?: "null" | "open" } = {}): MeasuredProcess {
    const home = options.temporary ?? this.memory;
    const env = {
      PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin`,
      HOME: home,
      TMPDIR: home,
      LANG: "C.UTF-8",
    };
    return new MeasuredProcess("helper", { argv, cwd: home, env, stdin: options.stdin ?? "null" });
  }

  removeFolders(): void {
    rmSync(this.memory, { recursive: true, force: true });
    rmSync(this.disk, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endAllProcesses();
    this.removeFolders();
  }
}

function compileLoadClient(path: string): void {
  const gcc = Bun.which("gcc");
  if (gcc === null)
    throw new Error("the load client is in C: gcc is missing (Debian: apt-get install -y gcc libc6-dev)");
  const argv = [gcc, "-O2", "-o", path, join(import.meta.dir, "load.c")];
  const { exitCode, stderr } = Bun.spawnSync(argv);
  if (exitCode !== 0) throw new Error(`the load client does not compile: ${stderr.toString().trim()}`);
}

export function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}
