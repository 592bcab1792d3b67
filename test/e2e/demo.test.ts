/** The first command a newcomer runs: it must work, show what it promises, and leave nothing behind. */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectFolder } from "../../scripts/project.ts";
import { runStep } from "../../scripts/run-step.ts";
import { requireBinary } from "../helpers/sandbox.ts";

async function runDemo(folder: string, argv: string[]) {
  const temporary = join(folder, "tmp");
  mkdirSync(temporary, { recursive: true });
  const env = { TMPDIR: temporary, TMP: temporary, TEMP: temporary };
  const demo = [process.execPath, join(projectFolder, "scripts/demo.ts"), ...argv];
  const result = await runStep({ argv: demo, cwd: folder, timeoutMs: 18_000, env });
  return { ...result, leftBehind: readdirSync(temporary) };
}

test("the demo fetches a file of the user's, shows the index, and leaves nothing", async () => {
  requireBinary();
  const folder = mkdtempSync(join(tmpdir(), "p2p-demo-test-"));
  try {
    const file = join(folder, "of the user's – 文件.bin");
    writeFileSync(file, randomBytes(5_000_000));
    const result = await runDemo(folder, [file]);
    expect(result.output).toContain("is that of the file that was shared");
    expect(result.output.match(/of the user's – 文件\.bin +5000000/g)).toHaveLength(3);
    expect(result).toMatchObject({ code: 0, leftBehind: [] });
    expect(existsSync(file)).toBe(true);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a file that is not there is one clear line", async () => {
  const folder = mkdtempSync(join(tmpdir(), "p2p-demo-test-"));
  try {
    const result = await runDemo(folder, ["missing.bin"]);
    expect(result).toMatchObject({ code: 1, output: "error: missing.bin: no such file\n", leftBehind: [] });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
