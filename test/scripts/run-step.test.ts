import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { runStep } from "../../scripts/run-step.ts";

const step = (code: string, timeoutMs = 10_000) =>
  runStep({ argv: [process.execPath, "-e", code], cwd: tmpdir(), timeoutMs });

test("a step gives its exit code and all it said", async () => {
  const result = await step('console.log("out"); console.error("err"); process.exitCode = 3;');
  expect(result).toMatchObject({ code: 3, timedOut: false, output: "out\nerr\n" });
  expect((await step("")).code).toBe(0);
});

test("a step that runs over its bound is ended with what it started, and is a failure", async () => {
  // The grandchild holds the pipe open: without ending the group this would wait for it.
  const code = 'Bun.spawn([process.execPath, "-e", "setTimeout(() => {}, 60000)"], { stdout: "inherit" });';
  const result = await step(`${code} await Bun.sleep(60000);`, 500);
  expect(result).toMatchObject({ code: 1, timedOut: true });
  expect(result.seconds).toBeLessThan(5);
});
