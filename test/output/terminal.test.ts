import { expect, test } from "bun:test";
import { clearLine, type LowerLine, Terminal } from "../../src/output/terminal.ts";
import { FakeScreen } from "../helpers/fake-screen.ts";

function lineOf(terminal: Terminal, text: string): LowerLine {
  return { erase: () => terminal.draw(clearLine), draw: () => terminal.draw(text) };
}

test("prints above the lowest line, whoever has it", () => {
  const screen = new FakeScreen();
  const terminal = new Terminal(screen, {});
  const prompt = lineOf(terminal, "p2p> ");
  const bar = lineOf(terminal, "[###  ]");
  terminal.print("zero\n");
  terminal.occupy(prompt);
  terminal.print("one\n");
  expect(screen.rows).toEqual(["zero", "one", "p2p> "]);
  terminal.occupy(bar);
  terminal.print("two\n");
  expect(screen.rows).toEqual(["zero", "one", "two", "[###  ]"]);
  expect([terminal.shows(prompt), terminal.shows(bar)]).toEqual([false, true]);
  terminal.release(prompt);
  expect(screen.rows.at(-1)).toBe("[###  ]");
  terminal.release(bar);
  terminal.release(bar);
  terminal.print("three\n");
  expect(screen.rows).toEqual(["zero", "one", "two", "three", ""]);
});

test("the line below comes back", () => {
  const screen = new FakeScreen();
  const terminal = new Terminal(screen, {});
  const prompt = lineOf(terminal, "p2p> ");
  const bar = lineOf(terminal, "[###  ]");
  terminal.occupy(prompt);
  terminal.occupy(bar);
  terminal.release(bar);
  expect(screen.rows).toEqual(["p2p> "]);
  terminal.restore();
  expect(screen.rows).toEqual([""]);
});

test("a background line waits behind the others", () => {
  const screen = new FakeScreen();
  const terminal = new Terminal(screen, {});
  const prompt = lineOf(terminal, "p2p> ");
  const hashing = lineOf(terminal, "hashing");
  terminal.occupy(prompt);
  terminal.occupy(hashing, "background");
  expect(screen.rows).toEqual(["p2p> "]);
  terminal.release(prompt);
  expect(screen.rows).toEqual(["hashing"]);
  terminal.occupy(prompt);
  terminal.release(hashing);
  expect(screen.rows).toEqual(["p2p> "]);
});

test.each([
  [true, {}, true, true],
  [true, { NO_COLOR: "1" }, true, false],
  [true, { NO_COLOR: "" }, true, true],
  [true, { TERM: "dumb" }, false, false],
  [false, {}, false, false],
])("terminal %p with %p: interactive %p, colours %p", (isTTY, environment, isInteractive, hasColours) => {
  const terminal = new Terminal(new FakeScreen(isTTY), environment);
  expect([terminal.isInteractive, terminal.hasColours]).toEqual([isInteractive, hasColours]);
});
