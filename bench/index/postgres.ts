/** A PostgreSQL of our own: a cluster in a temporary folder, on a loopback port, run by somebody without rights. */
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MeasuredProcess } from "../transfer/processes.ts";
import { freePort, type Workspace } from "./workspace.ts";

const programs = "/usr/lib/postgresql/15/bin";
/** Made by the Debian package. PostgreSQL refuses to be root. */
const account = "postgres";

export class Postgres implements AsyncDisposable {
  private constructor(
    private readonly started: MeasuredProcess,
    private readonly folder: string,
    readonly url: string,
  ) {}

  static whatIsMissing(): string | undefined {
    return existsSync(join(programs, "postgres"))
      ? undefined
      : "PostgreSQL is missing (Debian: apt-get install -y postgresql-15)";
  }

  static async start(workspace: Workspace): Promise<Postgres> {
    const folder = mkdtempSync(join(tmpdir(), "p2p-bench-postgres-"));
    const unprivileged =
      process.getuid?.() === 0
        ? ["setpriv", `--reuid=${account}`, `--regid=${account}`, "--clear-groups"]
        : [];
    if (unprivileged.length > 0) run(["chown", account, folder]);
    chmodSync(folder, 0o700);
    const data = join(folder, "data");
    run([
      ...unprivileged,
      join(programs, "initdb"),
      "-D",
      data,
      "-A",
      "trust",
      "-U",
      "p2p",
      "-E",
      "UTF8",
      "--locale=C",
    ]);
    const port = freePort();
    const settings = [
      `port=${port}`,
      "listen_addresses=127.0.0.1",
      `unix_socket_directories=${folder}`,
      "shared_buffers=1GB",
      "max_wal_size=8GB",
    ];
    const argv = [
      ...unprivileged,
      join(programs, "postgres"),
      "-D",
      data,
      ...settings.flatMap((each) => ["-c", each]),
    ];
    const started = workspace.start(argv, { temporary: "/" });
    const postgres = new Postgres(started, folder, `postgres://p2p@127.0.0.1:${port}/p2p`);
    await started.process.waitUntil(
      () => started.process.stderr.includes("ready to accept connections"),
      "PostgreSQL",
      30_000,
    );
    run([join(programs, "createdb"), "-h", "127.0.0.1", "-p", String(port), "-U", "p2p", "p2p"]);
    return postgres;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Fast shutdown; SIGTERM would wait for its clients.
    this.started.process.kill("SIGINT");
    await this.started.process.exit(30_000).catch(() => {});
    await this.started.process.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function run(argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(argv, { cwd: "/" });
  if (exitCode !== 0) throw new Error(`${argv.join(" ")} failed: ${stderr.toString().trim()}`);
}
