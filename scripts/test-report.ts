/**
 * Counts what a run of `bun test` did, from its JUnit report. Pure: a report is text, a file list is a list.
 *
 * The report alone can be too kind: a file that could not be loaded is not in it, and a run that was ended from
 * inside (`process.exit(0)`) writes none and still exits 0. So the files that should have run are counted against it.
 */

export interface TestCount {
  passed: number;
  failed: number;
  skipped: number;
}

export interface TestRun {
  /** The JUnit report, or undefined when the run wrote none. */
  report: string | undefined;
  exitCode: number;
  /** Test files the run was given. */
  files: readonly string[];
  /** What the run was told to take by title: the report calls the others skipped. */
  only?: RegExp;
}

/** What a run did, and in words why it counts for less than its report says. */
export function countTests(run: TestRun): TestCount & { problems: string[] } {
  const problems: string[] = [];
  const count: TestCount = { passed: 0, failed: 0, skipped: 0 };
  const report = run.report ?? "";
  if (run.report === undefined) {
    count.failed++;
    problems.push("the test run wrote no report: it crashed or was ended");
  }
  for (const { name, outcome } of casesOf(report)) if (run.only?.test(name) ?? true) count[outcome]++;
  const reported = new Set(
    Array.from(report.matchAll(/<testsuite [^>]*\bfile="([^"]*)"/g), (match) => match[1]),
  );
  for (const file of run.report === undefined ? [] : run.files) {
    if (reported.has(file)) continue;
    count.failed++;
    problems.push(`${file}: no test of it ran`);
  }
  if (run.exitCode !== 0 && count.failed === 0) {
    count.failed++;
    problems.push(`the test run exited with ${run.exitCode} although no test failed`);
  }
  return { ...count, problems };
}

export interface TestCase {
  name: string;
  outcome: keyof TestCount;
  seconds: number;
}

/** The tests of a report, in its order. */
export function casesOf(report: string): TestCase[] {
  const found = report.matchAll(/<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g);
  return Array.from(found, ([, attributes = "", body = ""]) => ({
    name: unescaped(/\bname="([^"]*)"/.exec(attributes)?.[1] ?? ""),
    outcome: outcomeOf(body),
    seconds: Number(/\btime="([^"]*)"/.exec(attributes)?.[1] ?? 0),
  }));
}

function outcomeOf(body: string): keyof TestCount {
  if (/<(failure|error)\b/.test(body)) return "failed";
  return /<skipped\b/.test(body) ? "skipped" : "passed";
}

const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescaped(text: string): string {
  return text.replace(/&(?:#(\d+)|(\w+));/g, (whole, code, name) =>
    code === undefined ? (entities[name] ?? whole) : String.fromCodePoint(Number(code)),
  );
}

export function addCounts(a: TestCount, b: TestCount): TestCount {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** The line that people and CI read: `12 passed, 0 failed`, with `, 3 skipped` when there are. */
export function summaryLine(count: TestCount): string {
  const skipped = count.skipped === 0 ? "" : `, ${count.skipped} skipped`;
  return `${count.passed} passed, ${count.failed} failed${skipped}`;
}
