/** The one temporary folder of a run of the benchmarks, in memory so that no disk is the limit, and what was asked. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { memoryFolder } from "../measure.ts";
import type { P2pFeatures } from "./p2p-features.ts";
import { endAllProcesses } from "./processes.ts";

export interface Settings {
  /** Counted runs of each program. */
  runs: number;
  /** Instead of each experiment's own size; the largest one of those that go through sizes. */
  sizeBytes: number | undefined;
  /** How many small files. */
  files: number;
  /** Only programs with one of these in their names, or all. */
  programs: readonly string[];
  binary: string;
}

export class Workspace implements AsyncDisposable {
  readonly folder = mkdtempSync(join(memoryFolder, "p2p-bench-"));
  features: P2pFeatures = { limits: false, serving: false, folders: false, stdout: false, help: "" };
  private foldersMade = 0;

  constructor(readonly settings: Settings) {}

  newFolder(label: string): string {
    const path = join(this.folder, `${label}-${++this.foldersMade}`);
    mkdirSync(path);
    return path;
  }

  /** Makes room: what earlier experiments left for later ones is gone. */
  clear(): void {
    for (const entry of readdirSync(this.folder)) rmSync(join(this.folder, entry), { recursive: true });
  }

  /** What each started program has in its environment: nothing of the tester's own but PATH. */
  environment(home: string): Record<string, string> {
    return { PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin`, HOME: home, TMPDIR: home, LANG: "C.UTF-8" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endAllProcesses();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
