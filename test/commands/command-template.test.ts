/** `--exec`: which words a command has, where a stranger's name goes, and where it must not go. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CommandTemplate } from "../../src/commands/command-template.ts";
import { UsageError } from "../../src/errors.ts";

const argv = (text: string, name = "a b.iso") => CommandTemplate.parse(text).argvFor(name);

test.each([
  ["p2p query {}", ["p2p", "query", "a b.iso"]],
  ["  echo   x  ", ["echo", "x"]],
  ["echo 'a  b' \"c  d\" e\\ f", ["echo", "a  b", "c  d", "e f"]],
  ['echo "say \\"{}\\" \\\\ \\n"', ["echo", 'say "a b.iso" \\ \\n']],
  ["echo a'b'\"c\"d ''", ["echo", "abcd", ""]],
  ["cp {} out/{}.bak", ["cp", "a b.iso", "out/a b.iso.bak"]],
  ["é 日本", ["é", "日本"]],
])("%s", (text, expected) => expect(argv(text)).toEqual(expected));

test("a name goes into its word whatever is in it", () => {
  const template = CommandTemplate.parse("run x={} {}");
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (some) => {
      const name = `n${some}`;
      expect(template.argvFor(name)).toEqual(["run", `x=${name}`, name]);
    }),
  );
});

test.each([
  ["", "needs a command"],
  ["  ", "needs a command"],
  ["echo 'open", "a quote or a backslash"],
  ['echo "open', "a quote or a backslash"],
  ["echo \\", "a quote or a backslash"],
])("%p is none", (text, problem) => {
  expect(() => CommandTemplate.parse(text)).toThrow(UsageError);
  expect(() => CommandTemplate.parse(text)).toThrow(problem);
});

describe("a shell", () => {
  test.each([
    "sh -c 'cat {}'",
    "sh -c {}",
    "bash -ec 'x {}'",
    "/bin/sh -c \"cat '{}'\"",
    "env X=1 sh -c 'cat {}'",
    "sudo bash -c 'cat {}'",
    "ssh host cat {}",
    "bash -c -- 'cat {}'",
  ])("does not get a name to run: %s", (text) =>
    expect(() => CommandTemplate.parse(text)).toThrow('write "$P2P_NAME" there in place of {}'),
  );

  test.each(["sh -c 'cat \"$P2P_NAME\"'", "sh -c 'cat \"$1\"' sh {}", "sh script.sh {}"])(
    "may run: %s",
    (text) => {
      CommandTemplate.parse(text);
    },
  );
});

test("a name that looks like an option needs -- before it", () => {
  expect(() => argv("rm {}", "-rf")).toThrow("put -- before the {}");
  expect(argv("rm -- {}", "-rf")).toEqual(["rm", "--", "-rf"]);
  expect(argv("rm ./{}", "-rf")).toEqual(["rm", "./-rf"]);
});
