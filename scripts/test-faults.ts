/**
 * `bun run test:faults [ROW …]`: every test that names a row of the table of faults (test/faults/README.md), the
 * short ones of `bun run check` and the long ones that need minutes, root, or a network of their own. One line a
 * test, with the reason for each that is skipped; the last line sums them up.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectFolder } from "./project.ts";
import { endSteps, runStep, StepsEnded } from "./run-step.ts";
import { addCounts, casesOf, countTests, type TestCount } from "./test-report.ts";

/** For one file; the longest has 200 downloads that are killed. */
const fileTimeoutMs = 1_300_000;

/** In the title of a test, which begins with a row and may name others. */
const wanted = new RegExp(`\\b(?:${process.argv.slice(2).join("|") || "[FA]\\d\\d"})\\b`);

/**
 * A network, mounts and process numbers of its own: what a test drops, mounts or starts cannot reach this machine,
 * and is gone with its first process, however that ends. `$TMPDIR` is in memory there: the disk is no limit.
 */
const isolation = [
  ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
  ["sh", "-c", 'ip link set lo up && mount -t tmpfs none "$TMPDIR" && exec "$@"', "sh"],
].flat();

const isIsolated =
  process.platform === "linux" &&
  Bun.which("unshare") !== null &&
  Bun.spawnSync([...isolation, "true"], { env: { ...process.env, TMPDIR: tmpdir() } }).success;

async function build(): Promise<boolean> {
  const argv = [process.execPath, "scripts/build.ts"];
  const { code, output } = await runStep({ argv, cwd: projectFolder, timeoutMs: 120_000 });
  if (code !== 0) console.log(`${output.trimEnd()}\nFAILED  build`);
  return code === 0;
}

async function runFile(file: string, scratch: string): Promise<TestCount> {
  const temporary = join(scratch, "tmp");
  mkdirSync(temporary);
  const reportPath = join(scratch, "report.xml");
  const isLong = file.endsWith(".long.ts");
  const flags = ["--timeout=20000", "--no-orphans", "--reporter=junit", `--reporter-outfile=${reportPath}`];
  const bun = [process.execPath, "test", ...flags, `--test-name-pattern=${wanted.source}`, `./${file}`];
  const step = {
    argv: isLong && isIsolated ? [...isolation, ...bun] : bun,
    cwd: projectFolder,
    timeoutMs: fileTimeoutMs,
    env: { TMPDIR: temporary, ...(isLong && isIsolated ? { P2P_TEST_NAMESPACE: "1" } : {}) },
  };
  const result = await runStep(step);
  const report = existsSync(reportPath) ? readFileSync(reportPath, "utf8") : undefined;
  rmSync(reportPath, { force: true });
  rmSync(temporary, { recursive: true, force: true });
  for (const { name, outcome, seconds } of casesOf(report ?? ""))
    if (wanted.test(name)) console.log(`${words[outcome]}  ${name}  (${seconds.toFixed(1)} s)`);
  const count = countTests({ report, exitCode: result.code, files: [file], only: wanted });
  if (count.failed > 0) console.log(result.output.trimEnd());
  for (const problem of count.problems) console.log(problem);
  if (result.timedOut) console.log(`${file} was ended after ${fileTimeoutMs / 1000} s, the time it may take`);
  return count;
}

const words = { passed: "ok     ", failed: "FAILED ", skipped: "skipped" };

/** Files with a test whose title begins with a row. */
function filesOfRows(): string[] {
  return [...new Bun.Glob("test/**/*.{test,long}.ts").scanSync(projectFolder)].sort().filter((file) => {
    const titles = readFileSync(join(projectFolder, file), "utf8").match(/["'`][FA]\d\d\b[^\n]*/g) ?? [];
    return titles.some((title) => wanted.test(title));
  });
}

async function runAll(): Promise<TestCount> {
  let total: TestCount = { passed: 0, failed: 0, skipped: 0 };
  if (!(await build())) return { ...total, failed: 1 };
  if (!isIsolated)
    console.log(
      "no namespaces here (they need Linux, root, unshare and ip): long tests that need one are skipped",
    );
  const scratch = mkdtempSync(join(tmpdir(), "p2p-faults-"));
  // A PostgreSQL that a test starts as root runs as another user.
  chmodSync(scratch, 0o711);
  try {
    for (const file of filesOfRows()) total = addCounts(total, await runFile(file, scratch));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return total;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, endSteps);

try {
  const { passed, failed, skipped } = await runAll();
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
} catch (error) {
  if (!(error instanceof StepsEnded)) throw error;
  console.log("interrupted");
  process.exitCode = 130;
}
