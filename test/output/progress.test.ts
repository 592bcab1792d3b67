import { expect, test } from "bun:test";
import { createLog } from "../../src/output/log.ts";
import { Progress } from "../../src/output/progress.ts";
import { Terminal } from "../../src/output/terminal.ts";
import { FakeScreen } from "../helpers/fake-screen.ts";

function make(screen: FakeScreen, options: { quiet?: boolean; isBackground?: boolean } = {}) {
  const terminal = new Terminal(screen, {});
  return { terminal, progress: new Progress({ terminal, log: createLog({ terminal }), ...options }) };
}

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; !condition(); round++) {
    if (round > 2_000) throw new Error("waited for too long");
    await Bun.sleep(1);
  }
}

test("a bar on a terminal: drawn anew, printed above, gone in the end", async () => {
  const screen = new FakeScreen(true, 60);
  const { terminal, progress } = make(screen);
  progress.start({ label: "a.iso", sizeBytes: 1000 });
  progress.update({ bytes: 500, bytesPerSecond: 100, sources: 2 });
  await until(() => screen.rows.at(-1)?.includes("50 %") === true);
  const bar = screen.rows.at(-1) ?? "";
  expect(bar).toMatch(/^█+░+ {2}50 % {2}500 B\/1\.00 kB {2}100 B\/s {2}5 s left {2}2 src$/);
  terminal.print("above\n");
  expect(screen.rows).toEqual(["above", bar]);
  screen.columns = 30;
  await until(() => screen.rows.at(-1) !== bar);
  expect(Bun.stringWidth(screen.rows.at(-1) ?? "")).toBeLessThan(30);
  progress.stop();
  expect(screen.rows).toEqual(["above", ""]);
  expect(screen.written).toEndWith("\u001b[?25h");
  const ended = screen.written;
  progress.update({ bytes: 600 });
  progress.stop();
  await Bun.sleep(120);
  expect(screen.written).toBe(ended);
});

test("a new start ends the one before", () => {
  const screen = new FakeScreen();
  const { progress } = make(screen);
  progress.start({ label: "one", sizeBytes: 1 });
  progress.start({ label: "two", sizeBytes: 1 });
  expect(screen.rows).toHaveLength(1);
  expect(screen.rows[0]).toStartWith("two");
  progress.stop();
});

test("one in the background gives way", () => {
  const screen = new FakeScreen();
  const terminal = new Terminal(screen, {});
  const log = createLog({ terminal });
  const hashing = new Progress({ terminal, log, isBackground: true });
  const download = new Progress({ terminal, log });
  download.start({ label: "download", sizeBytes: 1 });
  hashing.start({ label: "hashing", sizeBytes: 1 });
  expect(screen.rows.at(-1)).toStartWith("download");
  download.stop();
  hashing.update({ bytes: 1 });
  expect(screen.rows).toHaveLength(1);
  hashing.stop();
});

test.each([
  ["off a terminal there is no bar", false, false],
  ["with --quiet there is none either", true, true],
])("%s", async (_name, isTTY, quiet) => {
  const screen = new FakeScreen(isTTY);
  const { progress } = make(screen, { quiet });
  progress.start({ label: "a", sizeBytes: 10 });
  progress.update({ bytes: 5 });
  await Bun.sleep(120);
  progress.stop();
  expect(screen.written).toBe("");
});
