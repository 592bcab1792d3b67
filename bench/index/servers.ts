/** The servers that are measured: p2p's index, redis, and the design that everybody writes first. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { memoryMib, mib } from "../measure.ts";
import type { MeasuredProcess } from "../transfer/processes.ts";
import { waitForPort } from "../transfer/stage.ts";
import { bulk } from "./load-client.ts";
import { freePort, type Storage, type Workspace } from "./workspace.ts";

export class Server implements AsyncDisposable {
  constructor(
    readonly started: MeasuredProcess,
    readonly port: number,
    /** Where its files are, if it has any. */
    readonly folder: string | undefined = undefined,
  ) {}

  get pid(): number {
    return this.started.process.pid;
  }

  /** Resident, in millions of bytes; `anonymous`: without mapped files. */
  get memory(): { all: number; anonymous: number } {
    const anonymous = /^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))?.[1];
    return { all: (memoryMib(this.pid, "VmRSS") * mib) / 1e6, anonymous: (Number(anonymous) * 1024) / 1e6 };
  }

  /** CPU seconds so far. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** All its threads on one processor, or on all again. */
  pin(cores: string): void {
    const { exitCode, stderr } = Bun.spawnSync(["taskset", "-acp", cores, String(this.pid)]);
    if (exitCode !== 0) throw new Error(`cannot pin the server: ${stderr.toString().trim()}`);
  }

  /** Bytes of each of its files. */
  files(): { name: string; bytes: number }[] {
    if (this.folder === undefined || !existsSync(this.folder)) return [];
    const folder = this.folder;
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .map((name) => ({ name, info: statSync(join(folder, name)) }))
      .filter(({ info }) => info.isFile())
      .map(({ name, info }) => ({ name, bytes: info.size }));
  }

  /** Bytes of the files it has open, also of those that have no name any more. */
  get openFileBytes(): number {
    const folder = `/proc/${this.pid}/fd`;
    const sizes = new Map<string, number>();
    for (const name of readdirSync(folder)) {
      const info = statSync(join(folder, name), { throwIfNoEntry: false });
      if (info?.isFile()) sizes.set(`${info.dev} ${info.ino}`, info.size);
    }
    return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** `SIGKILL`: as a crash ends it. */
  async end(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    this.started.process.kill(signal);
    // A database of gigabytes is closed in its own time.
    await this.started.process.exit(60_000).catch(() => {});
    await this.started.process.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.started.process.end();
  }
}

/** So high that they are never what limits. */
const generous = [
  "--max-connections",
  "50000",
  "--max-files-per-peer",
  "100000000",
  "--max-files-per-index",
  "1000000000",
];

export interface IndexOptions {
  /** Instead of a database of this kind. */
  database?: string;
  /** Where the database is, to open it again. */
  folder?: string;
  /** Where the one before has listened; any free one unless said. */
  port?: number;
}

export async function startIndex(
  workspace: Workspace,
  storage: Storage,
  options: IndexOptions = {},
): Promise<Server> {
  const folder = options.folder ?? workspace.newFolder("index", storage);
  const database = options.database ?? (storage === "memory" ? ":memory:" : join(folder, "index.db"));
  const argv = [
    workspace.settings.binary,
    "serve-index",
    "--port",
    String(options.port ?? 0),
    "--json",
    "--db",
    database,
    ...generous,
  ];
  const started = workspace.start(argv, { temporary: folder });
  const { port } = await started.process.waitForEvent("listening", { timeoutMs: 60_000 });
  return new Server(started, Number(port), folder);
}

export async function startRedis(workspace: Workspace): Promise<Server> {
  const command = Bun.which("redis-server");
  if (command === null) throw new Error("redis-server is missing (Debian: apt-get install -y redis-server)");
  const port = freePort();
  const nothingSaved = ["--save", "", "--appendonly", "no"];
  const folder = workspace.newFolder("redis");
  const argv = [command, "--bind", "127.0.0.1", "--port", String(port), "--dir", folder, ...nothingSaved];
  const server = new Server(workspace.start(argv), port);
  await waitForPort("127.0.0.1", port);
  return server;
}

const redisKeys = 100_000;

/** Fills redis. Returns files of requests: strings of 300 bytes, and hashes of the 6 fields of a source. */
export async function fillRedis(
  workspace: Workspace,
  redis: Server,
): Promise<{ get: string; hgetall: string }> {
  const value = "x".repeat(300);
  const name = "Bafetros Tetrand - 09 - Kazir vestero reso.mp3".replaceAll(" ", "_");
  const fields = `host 10.1.2.3 port 7767 size 123456789 md5 ${"0123456789abcdef".repeat(2)} root ${"0123456789abcdef".repeat(4)} name ${name}`;
  const numbers = Array.from({ length: redisKeys }, (_, at) => String(at).padStart(12, "0"));
  const file = (label: string, line: (number: string) => string) => {
    const path = workspace.path(label);
    writeFileSync(path, numbers.map((number) => `${line(number)}\r\n`).join(""));
    return path;
  };
  for (const fill of [
    file("set", (each) => `SET text:${each} ${value}`),
    file("hset", (each) => `HSET hash:${each} ${fields}`),
  ]) {
    await using _filled = await bulk(workspace, { port: redis.port, file: fill, hello: "" });
  }
  return {
    get: file("get", (each) => `GET text:${each}`),
    hgetall: file("hgetall", (each) => `HGETALL hash:${each}`),
  };
}

/** Lines that make one answer of redis. */
export const getLines = 2;
export const hgetallLines = 25;

export async function startNaive(workspace: Workspace): Promise<Server> {
  const port = freePort();
  const python = Bun.which("python3");
  if (python === null) throw new Error("python3 is missing (Debian: apt-get install -y python3)");
  const server = new Server(workspace.start([python, join(import.meta.dir, "naive.py"), String(port)]), port);
  await waitForPort("127.0.0.1", port);
  return server;
}
