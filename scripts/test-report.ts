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
  for (const outcome of outcomes(report)) count[outcome]++;
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

function* outcomes(report: string): Generator<keyof TestCount> {
  for (const match of report.matchAll(/<testcase\b[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const body = match[1] ?? "";
    if (/<(failure|error)\b/.test(body)) yield "failed";
    else if (/<skipped\b/.test(body)) yield "skipped";
    else yield "passed";
  }
}

export function addCounts(a: TestCount, b: TestCount): TestCount {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** The line that people and CI read: `12 passed, 0 failed`, with `, 3 skipped` when there are. */
export function summaryLine(count: TestCount): string {
  const skipped = count.skipped === 0 ? "" : `, ${count.skipped} skipped`;
  return `${count.passed} passed, ${count.failed} failed${skipped}`;
}
