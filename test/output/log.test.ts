import { describe, expect, test } from "bun:test";
import { createLog } from "../../src/output/log.ts";
import { RateLimit } from "../../src/output/rate-limit.ts";
import { Terminal } from "../../src/output/terminal.ts";
import { FakeScreen } from "../helpers/fake-screen.ts";

function logged(options: {
  quiet?: boolean;
  verbose?: boolean;
  isTTY?: boolean;
  noColour?: boolean;
}): string {
  const screen = new FakeScreen(options.isTTY ?? false);
  const terminal = new Terminal(screen, options.noColour ? { NO_COLOR: "1" } : {});
  const log = createLog({ terminal, ...options });
  log.debug("d");
  log.info("i");
  log.warn("w");
  log.error("e");
  log.close();
  return screen.written;
}

test.each([
  [{}, "i\nwarning: w\nerror: e\n"],
  [{ verbose: true }, "debug: d\ni\nwarning: w\nerror: e\n"],
  [{ quiet: true }, "error: e\n"],
  [{ quiet: true, verbose: true }, "error: e\n"],
  [{ isTTY: true }, "i\n\u001b[33mwarning: \u001b[39mw\n\u001b[31merror: \u001b[39me\n"],
  [{ isTTY: true, noColour: true }, "i\nwarning: w\nerror: e\n"],
])("%p", (options, expected) => expect(logged(options)).toBe(expected));

test("a flood is cut to twenty a second of each kind, and says so", () => {
  const screen = new FakeScreen(false);
  let nowMs = 0;
  const log = createLog({ terminal: new Terminal(screen, {}), nowMs: () => nowMs });
  for (let i = 0; i < 100; i++) log.info(`same ${i}`, "flood");
  log.info("other");
  expect(screen.written.split("\n")).toHaveLength(22);
  nowMs = 1_000;
  log.info("next second", "flood");
  log.close();
  expect(screen.written).toEndWith("other\nnext second\nwarning: 80 more suppressed (flood)\n");
});

test("identical lines are not swallowed", () => {
  const screen = new FakeScreen(false);
  const log = createLog({ terminal: new Terminal(screen, {}) });
  for (let i = 0; i < 8; i++) log.info("again");
  log.close();
  expect(screen.written).toBe("again\n".repeat(8));
});

describe("RateLimit", () => {
  test("counts each kind for itself", () => {
    const limit = new RateLimit(2);
    expect(["a", "a", "a", "b"].map((kind) => limit.allows(kind, 5))).toEqual([true, true, false, true]);
    expect(limit.takeSuppressed(1004)).toEqual([]);
    expect(limit.takeSuppressed(1005)).toEqual([{ kind: "a", count: 1 }]);
    expect(limit.takeSuppressed(1005)).toEqual([]);
  });

  test("begins anew after a second, and remembers what it owes", () => {
    const limit = new RateLimit(1);
    expect([0, 1, 999, 1000, 1001].map((nowMs) => limit.allows("a", nowMs))).toEqual([
      true,
      false,
      false,
      true,
      false,
    ]);
    expect(limit.takeSuppressed(1002, true)).toEqual([{ kind: "a", count: 3 }]);
  });
});
