/**
 * `bun run demo [-- FILE]`: shows the program at work on this machine alone, with real processes and real files, and
 * leaves nothing behind but what is installed and built. Decides nothing about the program: it starts what is built and compares what comes out.
 */
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { formatBytes } from "../src/output/format.ts";
import { printable } from "../src/printable.ts";
import { type RunningServer, Sandbox } from "../test/helpers/sandbox.ts";
import { type DemoFile, fillShares, largeBytes, sha256OfFile, unicodeName } from "./demo-files.ts";
import { projectFolder, staleReason } from "./project.ts";
import { endSteps, runStep } from "./run-step.ts";

const usage = `Shows an index, three peers and a download on this machine, with real processes and real files.

  bun run demo             with a file of ${formatBytes(largeBytes)} made on the spot
  bun run demo -- FILE     with a file of yours, which is only read

It needs no configuration, uses free ports of 127.0.0.1, and removes what it made but node_modules/ and dist/.`;

/** Long enough for a file of many gigabytes that the user gave. */
const registerTimeoutMs = 600_000;

/** What must end with the demo, however it ends. */
let sandbox: Sandbox | undefined;
let query: Bun.Subprocess | undefined;
let interrupted = false;

async function demo(userFile: string | undefined): Promise<void> {
  if (userFile !== undefined && !existsSync(userFile)) throw new Error(`${userFile}: no such file`);
  await prepare();
  sandbox = new Sandbox();
  const box = sandbox;

  say(
    userFile === undefined
      ? `Making a file of ${formatBytes(largeBytes)} and a few small ones …`
      : `Taking ${userFile} …`,
  );
  const folders = ["anna", "ben", "cho"].map((owner) => box.newFolder(owner));
  const files = await fillShares(folders, userFile);
  const [shared] = files as [DemoFile];

  say("Starting an index and three peers …");
  const database = join(box.folder, "index.db");
  const index = await box.index(["--db", database]);
  const peers = await Promise.all(
    folders.map((folder) => box.peer(index, folder, [], { timeoutMs: registerTimeoutMs })),
  );
  say(`  index on ${index.address}, peers on ${peers.map((peer) => peer.address).join(", ")}\n`);

  const out = box.newFolder("downloads");
  await fetchAndCompare(box, index, shared, shared.name, out);
  const small = files.find((file) => file.name.endsWith(unicodeName));
  if (small !== undefined) await fetchAndCompare(box, index, small, unicodeName, out);

  say("What the index knows (its view `files`; `sqlite3` opens it while the index runs):\n");
  say(filesView(database));
  say(closingWords(shared, index, peers));
}

/** Installs and builds when there is something to do. */
async function prepare(): Promise<void> {
  await must("Installing from the lockfile", ["install", "--frozen-lockfile"]);
  if (staleReason() !== undefined) await must("Building dist/p2p", ["scripts/build.ts"]);
}

async function must(what: string, argv: string[]): Promise<void> {
  say(`${what} …`);
  const result = await runStep({ argv: [process.execPath, ...argv], cwd: projectFolder, timeoutMs: 300_000 });
  if (result.code !== 0) throw new Error(`${what} failed:\n${result.output.trimEnd()}`);
}

/** Runs the real `p2p query` in this terminal and compares what it wrote with what is known. */
async function fetchAndCompare(
  box: Sandbox,
  index: RunningServer,
  file: DemoFile,
  name: string,
  folder: string,
): Promise<void> {
  say(`$ p2p query "${printable(name)}" --index ${index.address}`);
  const home = box.newFolder("home");
  // The terminal is the user's, so that progress looks as it will for them; settings and state are not.
  const terminal = {
    ...box.environment(home),
    TERM: process.env.TERM ?? "dumb",
    COLORTERM: process.env.COLORTERM,
  };
  const env = { ...terminal, NO_COLOR: process.env.NO_COLOR, HOME: home };
  const argv = [box.binary, "query", "--index", index.address, "-o", `${folder}/`, "--", name];
  query = Bun.spawn(argv, { cwd: folder, env, stdio: ["ignore", "inherit", "inherit"] });
  const code = await query.exited;
  query = undefined;
  if (code !== 0) throw new Error(`p2p query ended with exit code ${code}`);
  const sha256 = await sha256OfFile(join(folder, name));
  if (sha256 !== file.sha256) throw new Error(`${name} has SHA-256 ${sha256}, but ${file.sha256} was shared`);
  say(`  SHA-256 ${sha256.slice(0, 16)}… is that of the file that was shared.\n`);
}

function filesView(database: string): string {
  const db = new Database(database, { readonly: true });
  try {
    const rows = db
      .query<{ host: string; port: number; name: string; size: number; root: string; complete: number }, []>(
        "SELECT host, port, name, size, root, complete FROM files ORDER BY name, port",
      )
      .all();
    const cells = rows.map((row) => [
      row.host,
      String(row.port),
      printable(row.name),
      String(row.size),
      `${row.root.slice(0, 12)}…`,
      String(row.complete),
    ]);
    return alignColumns([["host", "port", "name", "size", "root", "complete"], ...cells]);
  } finally {
    db.close();
  }
}

function alignColumns(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => Bun.stringWidth(row[column] ?? ""))),
  );
  const pad = (cell: string, column: number) =>
    cell + " ".repeat((widths[column] ?? 0) - Bun.stringWidth(cell));
  return rows.map((row) => `  ${row.map(pad).join("  ").trimEnd()}\n`).join("");
}

function closingWords(shared: DemoFile, index: RunningServer, peers: readonly RunningServer[]): string {
  const address = ownAddress() ?? "ADDRESS-OF-A";
  return `What happened: an index on ${index.address} listed what ${peers.length} peers share. \`p2p query\` asked it who has
${printable(shared.name)}, fetched parts of it from all of them at once, checked every 1 MiB against the hash tree of
the file, and gave it its name only when all of it was right. The index never saw a byte of it.

On two machines (A is ${address}; --open means that anyone who reaches the port may come: no encryption and no
passwords yet, so only in a network you trust):

  A$ p2p serve-index --host 0.0.0.0 --open
  A$ p2p peer ~/shared --host 0.0.0.0 --open --index ${address}:7766
  B$ p2p query NAME --index ${address}:7766

The program is dist/p2p, one file: copy it to where your PATH leads. Everything else is in README.md.`;
}

/** An address that another machine could use. */
function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

function say(text: string): void {
  console.log(text);
}

/** Idempotent; what ended already is left alone. */
async function endAll(): Promise<void> {
  endSteps();
  query?.kill("SIGTERM");
  await query?.exited;
  await sandbox?.[Symbol.asyncDispose]();
}

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  process.on(signal, () => {
    interrupted = true;
    void endAll().finally(() => process.exit(code));
  });
}

try {
  const [, , word, ...others] = process.argv;
  if (word === "--help" || word === "-h") say(usage);
  else if (others.length > 0 || word?.startsWith("-")) throw new Error(`give one FILE or none\n\n${usage}`);
  else await demo(word);
} catch (error) {
  if (!interrupted) console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await endAll();
}
