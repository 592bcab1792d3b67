/**
 * A temporary folder and everything started in it: the built binary run as a user would run it, with a home of its
 * own. Leaving the scope ends each process by its pid and removes the folder. Knows processes, not the protocol.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { binaryPath, staleReason } from "../../scripts/project.ts";
import { BinaryProcess, type Launch } from "./binary-process.ts";
import { sweepForSecrets } from "./secret-sweep.ts";

export interface StartOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** "open" is a pipe that stays open until `endInput`; text is written and followed by the end. */
  stdin?: "null" | "open" | { text: string };
  /** A command that becomes the binary: `["prlimit", "--nofile=64"]`. */
  under?: readonly string[];
}

export interface SandboxOptions {
  /** Where the temporary folder is made; a tmpfs when the disk must not be the limit. */
  parent?: string;
  /** Told of every line that a process writes on stderr. */
  onStderr?: (process: BinaryProcess, text: string) => void;
}

/** Throws when dist/p2p is not made from the sources as they are: a test of an old binary says nothing. */
export function requireBinary(): string {
  const stale = staleReason();
  if (stale !== undefined) throw new Error(`${stale}: run \`bun run build\` first`);
  return binaryPath;
}

export class Sandbox implements AsyncDisposable {
  readonly folder: string;
  readonly binary: string;
  private readonly processes: BinaryProcess[] = [];
  private foldersMade = 0;
  private over = false;

  constructor(private readonly options: SandboxOptions = {}) {
    this.binary = requireBinary();
    this.folder = mkdtempSync(join(options.parent ?? tmpdir(), "p2p-sandbox-"));
  }

  newFolder(label = "folder"): string {
    const path = join(this.folder, `${label}-${++this.foldersMade}`);
    // Whatever the umask: it may become a state folder.
    mkdirSync(path, { mode: 0o755 });
    return path;
  }

  /** Writes a file below `folder`, with its folders. Returns its path. */
  put(folder: string, name: string, content: string | Uint8Array): string {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  remove(path: string): void {
    rmSync(path, { recursive: true, force: true });
  }

  /** What the binary is started with: nothing of the tester's own environment but PATH. */
  environment(home: string, extra: Record<string, string> = {}): Record<string, string> {
    return {
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      LANG: "C.UTF-8",
      TERM: "dumb",
      HOME: home,
      TMPDIR: home,
      P2P_HOME: join(home, "state"),
      ...(process.platform === "win32" ? { SystemRoot: process.env.SystemRoot ?? "C:\\Windows" } : {}),
      ...extra,
    };
  }

  /** Starts the binary with a home of its own. The caller may leave ending it to the sandbox. */
  start(argv: readonly string[], options: StartOptions = {}): BinaryProcess {
    if (this.over) throw new Error("the sandbox has ended");
    const home = this.newFolder("home");
    const launch: Launch = {
      argv: [...(options.under ?? []), this.binary, ...argv],
      cwd: options.cwd ?? home,
      env: this.environment(home, options.env),
      stdin: options.stdin ?? "null",
    };
    const started = new BinaryProcess(launch, this.options.onStderr);
    this.processes.push(started);
    return started;
  }

  /** Runs the binary to its end; throws when it does not end within `timeoutMs`. */
  async run(
    argv: readonly string[],
    options: StartOptions & { timeoutMs?: number } = {},
  ): Promise<BinaryProcess> {
    const started = this.start(argv, options);
    await started.exit(options.timeoutMs);
    return started;
  }

  /** A running index on a free port, in memory unless `--db` is given. */
  async index(
    flags: readonly string[] = ["--db", ":memory:"],
    options: StartOptions = {},
  ): Promise<RunningServer> {
    const started = this.start(["serve-index", "--port", "0", "--json", ...flags], options);
    return { process: started, ...(await listening(started)) };
  }

  /** A running peer that shares `folder` and has registered all of it. */
  async peer(
    index: { address: string },
    folder: string,
    flags: readonly string[] = [],
    options: StartOptions & { timeoutMs?: number } = {},
  ): Promise<RunningServer> {
    const argv = ["peer", folder, "--index", index.address, "--port", "0", "--json", "--no-prompt", ...flags];
    const started = this.start(argv, options);
    const where = await listening(started);
    await started.waitForEvent("registered", { timeoutMs: options.timeoutMs ?? 20_000 });
    return { process: started, ...where };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.over = true;
    await Promise.all(this.processes.map((each) => each.end()));
    try {
      sweepForSecrets(this.folder, this.processes);
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }
}

export interface RunningServer {
  process: BinaryProcess;
  host: string;
  port: number;
  /** `host:port`, as `--index` takes it. */
  address: string;
}

async function listening(started: BinaryProcess): Promise<{ host: string; port: number; address: string }> {
  const { host, port } = await started.waitForEvent("listening");
  if (typeof host !== "string" || typeof port !== "number")
    throw new Error("listening without host and port");
  return { host, port, address: `${host}:${port}` };
}
