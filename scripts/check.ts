/**
 * `bun run check`: everything that must be right before a change lands: three to four minutes on two quiet cores. One
 * line a step while all is well, the whole output of what is not, and one line at the end that sums all tests.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectFolder } from "./project.ts";
import { endSteps, runStep, StepsEnded } from "./run-step.ts";
import { addCounts, countTests, summaryLine, type TestCount } from "./test-report.ts";

/** The whole of it; what a step may take is the lesser of its own bound and what is left of this. */
const totalMs = 600_000;

interface Plan {
  name: string;
  /** What Bun itself is told to run: there may be no `bun`, `node` or `npx` on PATH. */
  argv: string[];
  timeoutMs: number;
}

/** Biome and TypeScript are native programs; their npm entry points find the one for this machine. */
const steps: readonly Plan[] = [
  { name: "install", argv: ["install", "--frozen-lockfile"], timeoutMs: 120_000 },
  {
    name: "format and lint",
    argv: ["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."],
    timeoutMs: 30_000,
  },
  { name: "types", argv: ["node_modules/typescript/bin/tsc", "--noEmit"], timeoutMs: 60_000 },
  { name: "build", argv: ["scripts/build.ts"], timeoutMs: 60_000 },
];

/**
 * For each test 20 s (bunfig.toml cannot say so). What a test started ends with it, whatever happens to the run:
 * the workers of a parallel run are in process groups of their own.
 */
const testFlags = ["--parallel=2", "--timeout=20000", "--no-orphans"];

/** Without one of these nothing that follows says anything. */
const needed = new Set(["install", "build"]);

const startedMs = performance.now();
const remainingMs = (): number => Math.max(1, totalMs - (performance.now() - startedMs));

async function runChecks(): Promise<TestCount> {
  let total: TestCount = { passed: 0, failed: 0, skipped: 0 };
  for (const step of steps) {
    if (await passes(step)) continue;
    total = addCounts(total, { passed: 0, failed: 1, skipped: 0 });
    if (needed.has(step.name)) return total;
  }
  total = addCounts(
    total,
    await runTests(
      "tests",
      findTests((file) => !isBinaryTest(file)),
      270_000,
    ),
  );
  return addCounts(total, await runTests("tests of the binary", findTests(isBinaryTest), 300_000));
}

async function passes(plan: Plan): Promise<boolean> {
  const timeoutMs = Math.min(plan.timeoutMs, remainingMs());
  const result = await runStep({ argv: [process.execPath, ...plan.argv], cwd: projectFolder, timeoutMs });
  if (result.code === 0) {
    report("ok", plan.name, result.seconds);
    return true;
  }
  report("FAILED", plan.name, result.seconds, result.output);
  if (result.timedOut) console.log(overBound(timeoutMs));
  return false;
}

async function runTests(name: string, files: string[], timeoutMs: number): Promise<TestCount> {
  if (files.length === 0) {
    report("FAILED", name, 0, "there is no test file");
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const folder = mkdtempSync(join(tmpdir(), "p2p-check-"));
  const reportPath = join(folder, "report.xml");
  const boundMs = Math.min(timeoutMs, remainingMs());
  const reporter = ["--reporter=junit", `--reporter-outfile=${reportPath}`, "--only-failures"];
  try {
    const argv = [process.execPath, "test", ...testFlags, ...reporter, ...files.map((file) => `./${file}`)];
    const result = await runStep({ argv, cwd: projectFolder, timeoutMs: boundMs });
    const xml = existsSync(reportPath) ? readFileSync(reportPath, "utf8") : undefined;
    const count = countTests({ report: xml, exitCode: result.code, files });
    if (count.passed + count.failed === 0) count.problems.push("no test was executed");
    const wrong = count.failed > 0 || count.problems.length > 0;
    report(
      wrong ? "FAILED" : "ok",
      `${name}: ${summaryLine(count)}`,
      result.seconds,
      wrong ? result.output : "",
    );
    for (const problem of count.problems) console.log(problem);
    if (result.timedOut) console.log(overBound(boundMs));
    return wrong && count.failed === 0 ? { ...count, failed: 1 } : count;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isBinaryTest(file: string): boolean {
  return file.startsWith("test/e2e/") || file.startsWith("test/faults/");
}

function findTests(wanted: (file: string) => boolean): string[] {
  return [...new Bun.Glob("test/**/*.test.ts").scanSync(projectFolder)]
    .map((file) => file.replaceAll("\\", "/"))
    .filter(wanted)
    .sort();
}

function report(word: string, name: string, seconds: number, output = ""): void {
  if (output !== "") console.log(output.trimEnd());
  console.log(`${word}  ${name}  (${seconds.toFixed(1)} s)`);
}

function overBound(boundMs: number): string {
  return `it was ended after ${(boundMs / 1000).toFixed(0)} s, the time it may take`;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, endSteps);

try {
  const count = await runChecks();
  console.log(summaryLine(count));
  process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;
} catch (error) {
  if (!(error instanceof StepsEnded)) throw error;
  console.log("interrupted");
  process.exitCode = 130;
}
