import { expect, test } from "bun:test";
import { addCounts, casesOf, countTests, summaryLine } from "../../scripts/test-report.ts";

const suite = (file: string, cases: string) =>
  `<testsuite name="${file}" file="${file}" tests="1">${cases}</testsuite>`;
const passed = '<testcase name="a &gt; b" time="0" file="f" line="2" assertions="1" />';
const failed =
  '<testcase name="b" time="0"><failure type="Error" message="x &lt;skipped&gt;">text</failure></testcase>';
const skipped = '<testcase name="c" time="0"><skipped message="TODO" /></testcase>';

test("every test case counts once, by its outcome", () => {
  const report = `<testsuites>${suite("test/a.test.ts", passed + failed + skipped + passed)}</testsuites>`;
  const run = { report, exitCode: 1, files: ["test/a.test.ts"] };
  expect(countTests(run)).toEqual({ passed: 2, failed: 1, skipped: 1, problems: [] });
});

test("a test case has the name it was given, its outcome and how long it took", () => {
  const slow = '<testcase classname="x" name="of &quot;a&quot; &amp;lt; &#39;b&#39;" time="1.5" file="f" />';
  expect(casesOf(suite("test/a.test.ts", passed + slow + skipped))).toEqual([
    { name: "a > b", outcome: "passed", seconds: 0 },
    { name: "of \"a\" &lt; 'b'", outcome: "passed", seconds: 1.5 },
    { name: "c", outcome: "skipped", seconds: 0 },
  ]);
});

test("tests that were left out by their title do not count as skipped", () => {
  const run = {
    report: suite("test/a.test.ts", passed + failed + skipped),
    exitCode: 0,
    files: ["test/a.test.ts"],
  };
  expect(countTests({ ...run, only: /^a/ })).toEqual({ passed: 1, failed: 0, skipped: 0, problems: [] });
});

test("a run that wrote no report is a failure, also when it exits with 0", () => {
  const count = countTests({ report: undefined, exitCode: 0, files: ["test/a.test.ts"] });
  expect(count.failed).toBe(1);
  expect(count.problems).toEqual(["the test run wrote no report: it crashed or was ended"]);
});

test("a file that is not in the report failed: Bun leaves out what could not be loaded", () => {
  const report = `<testsuites>${suite("test/a.test.ts", passed)}</testsuites>`;
  const count = countTests({ report, exitCode: 1, files: ["test/a.test.ts", "test/b.test.ts"] });
  expect(count).toMatchObject({ passed: 1, failed: 1, problems: ["test/b.test.ts: no test of it ran"] });
});

test("an exit code that no failed test explains is a failure", () => {
  const report = `<testsuites>${suite("test/a.test.ts", passed)}</testsuites>`;
  const count = countTests({ report, exitCode: 134, files: ["test/a.test.ts"] });
  expect(count).toMatchObject({ passed: 1, failed: 1 });
});

test("the last line names skipped tests only when there are some", () => {
  expect(summaryLine({ passed: 12, failed: 0, skipped: 0 })).toBe("12 passed, 0 failed");
  const sum = addCounts({ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 });
  expect(summaryLine(sum)).toBe("11 passed, 22 failed, 33 skipped");
});
