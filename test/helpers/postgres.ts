/**
 * A PostgreSQL of Debian's package for tests: its data in a temporary folder, on a free port of the loopback, as a user
 * who is not root. Ends with its scope. Where the package is missing, root installs it; or the tests are skipped, loudly.
 */

import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";
import { systemCode } from "../../src/errors.ts";
import { until } from "./until.ts";

const binaries = "/usr/lib/postgresql/15/bin";
const isRoot = process.getuid?.() === 0;
/** Of Debian, for whoever owns nothing. */
const nobody = 65_534;

/** Why there is none, or undefined. */
export const postgresLack = lackOfPostgres();

function lackOfPostgres(): string | undefined {
  if (existsSync(join(binaries, "postgres"))) return undefined;
  if (isRoot && Bun.which("apt-get") !== null) {
    const install = `test -e ${binaries}/postgres || {
      apt-get update -qq; apt-get install -qq -y --no-install-recommends postgresql-15; }`;
    // Several test files may want it at once, and apt-get does not wait for another one.
    Bun.spawnSync(["flock", join(tmpdir(), "p2p-apt.lock"), "sh", "-c", install], {
      stdout: "ignore",
      stderr: "ignore",
      timeout: 120_000,
    });
    if (existsSync(join(binaries, "postgres"))) return undefined;
  }
  const lack = "PostgreSQL 15 is missing: apt-get install postgresql-15";
  process.stderr.write(`\n*** ${lack}: its tests are SKIPPED ***\n\n`);
  return lack;
}

export class PostgresServer implements AsyncDisposable {
  private server: Bun.Subprocess | undefined;
  private databases = 0;

  private constructor(
    private readonly folder: string,
    readonly port: number,
  ) {}

  static async start(): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), "p2p-postgres-"));
    if (isRoot) {
      chmodSync(folder, 0o700);
      chownSync(folder, nobody, nobody);
    }
    const made = Bun.spawnSync(
      asNobody([
        join(binaries, "initdb"),
        ...[
          "-D",
          join(folder, "data"),
          "-U",
          "p2p",
          "-A",
          "trust",
          "-E",
          "UTF8",
          "--locale=C.UTF-8",
          "--no-sync",
        ],
      ]),
      { cwd: "/", stdout: "ignore" },
    );
    if (made.exitCode !== 0) throw new Error(`initdb: ${made.stderr}`);
    const server = new PostgresServer(folder, freePort());
    await server.launch();
    return server;
  }

  /** A new database, empty or as a former one that nobody uses is now. */
  async database(template = "template1"): Promise<string> {
    const name = `test${++this.databases}`;
    await this.ask(`CREATE DATABASE ${name} TEMPLATE ${template}`);
    return this.url(name);
  }

  url(database: string): string {
    return `postgres://p2p@127.0.0.1:${this.port}/${database}`;
  }

  /** One statement, on a connection of its own. */
  async ask(statement: string, database = "postgres"): Promise<unknown[][]> {
    await using sql = new SQL(this.url(database), { max: 1 });
    return (await sql.unsafe(statement).values()) as unknown[][];
  }

  /** Begins again on the same port with the same data. */
  async launch(): Promise<void> {
    this.server = Bun.spawn(
      asNobody([
        join(binaries, "postgres"),
        ...["-D", join(this.folder, "data"), "-p", String(this.port), "-c", "listen_addresses=127.0.0.1"],
        ...["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "full_page_writes=off"],
        ...["-c", "shared_buffers=64MB", "-c", "max_connections=200", "-c", "log_min_messages=fatal"],
      ]),
      { cwd: "/", stdout: "ignore", stderr: "ignore" },
    );
    await until(async () => {
      try {
        return (await this.ask("SELECT 1")).length === 1;
      } catch {
        return false;
      }
    }, 20_000);
  }

  /** Ends at once, as if it had crashed; resolves when it is gone. */
  async crash(): Promise<void> {
    this.server?.kill("SIGQUIT");
    await this.server?.exited;
  }

  /** Stops the server and all of its processes where they are, or lets them go on. */
  freeze(signal: "SIGSTOP" | "SIGCONT"): void {
    const { pid } = this.server!;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(/\s+/).filter(Boolean);
    for (const one of [pid, ...children.map(Number)]) {
      try {
        process.kill(one, signal);
      } catch (error) {
        // Of a connection that has just ended.
        if (systemCode(error) !== "ESRCH") throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.server?.exitCode === null) this.freeze("SIGCONT");
    await this.crash();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function asNobody(argv: string[]): string[] {
  if (!isRoot) return argv;
  const id = String(nobody);
  return ["setpriv", `--reuid=${id}`, `--regid=${id}`, "--clear-groups", ...argv];
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}
