import { describe, expect, test } from "bun:test";
import { UsageError } from "../../src/errors.ts";
import { completePromptLine } from "../../src/prompt/complete.ts";
import { type PromptCommand, parsePromptLine, promptHelp, promptVerbs } from "../../src/prompt/parse.ts";

const good: [string, PromptCommand | undefined][] = [
  ["", undefined],
  [" \t ", undefined],
  ["QUERY a.iso", { verb: "query", name: "a.iso" }],
  ["  query   my file (1).iso \r", { verb: "query", name: "my file (1).iso" }],
  ['Query "quoted" name', { verb: "query", name: '"quoted" name' }],
  ["query d/é 日本.iso", { verb: "query", name: "d/é 日本.iso" }],
  ["SEARCH ubuntu -server", { verb: "search", words: "ubuntu -server" }],
  ["LS", { verb: "ls", folder: "" }],
  ["ls my data/ ", { verb: "ls", folder: "my data/" }],
  ["Peers", { verb: "peers" }],
  ["stats", { verb: "stats" }],
  ["list", { verb: "list" }],
  ["Status", { verb: "status" }],
  ["WAIT", { verb: "wait" }],
  ["wait 1", { verb: "wait", seconds: 1 }],
  ["wait 0.5", { verb: "wait", seconds: 0.5 }],
  ["limit", { verb: "limit" }],
  ["LIMIT up 5M", { verb: "limit", change: { direction: "up", bytesPerSecond: 5 * 1024 ** 2 } }],
  ["limit DOWN  off", { verb: "limit", change: { direction: "down", bytesPerSecond: Infinity } }],
  ["HELP", { verb: "help" }],
  ["eXiT", { verb: "exit" }],
];
test.each(good)("%p is %p", (line, expected) =>
  expect(parsePromptLine(line)).toEqual(expected as PromptCommand),
);

test.each([
  ["FROBNICATE now", "unknown command FROBNICATE (HELP lists them)"],
  ["quer a", "unknown command quer (did you mean QUERY?)"],
  ["QUERYa", "unknown command QUERYa (did you mean QUERY?)"],
  ["\u001b[2J", "unknown command \\u{1b}[2J (HELP lists them)"],
  ["query", "QUERY needs a name: QUERY debian.iso"],
  ["search  ", "SEARCH needs words: SEARCH debian iso -live"],
  ["list all", 'LIST takes no argument, but there is "all"'],
  ["peers now", 'PEERS takes no argument, but there is "now"'],
  ["exit 1", 'EXIT takes no argument, but there is "1"'],
  ["limit up", "LIMIT is LIMIT up RATE or LIMIT down RATE: LIMIT up 5M, LIMIT down off"],
  ["limit sideways 5M", "LIMIT is LIMIT up RATE or LIMIT down RATE: LIMIT up 5M, LIMIT down off"],
  ["limit up 5M now", "LIMIT is LIMIT up RATE or LIMIT down RATE: LIMIT up 5M, LIMIT down off"],
  ["limit up 0", 'bad value "0" for LIMIT: expected bytes a second such as 500k or 5M, at least 1k, or off'],
  ["wait x", 'bad value "x" for WAIT: expected a number of seconds, at most 2073600'],
  ["wait -1", 'bad value "-1" for WAIT: expected a number of seconds, at most 2073600'],
  ["wait 1 2", 'bad value "1 2" for WAIT: expected a number of seconds, at most 2073600'],
])("%p fails: %s", (line, message) => expect(() => parsePromptLine(line)).toThrow(new UsageError(message)));

test("HELP names every verb", () => {
  for (const verb of promptVerbs) expect(promptHelp.join("\n")).toContain(verb.toUpperCase());
});

describe("Tab", () => {
  const names = ["iso/debian-13.iso", "iso/debian-12.iso", "readme.txt", "evil\u001b[31m", "\u009bm"];
  test.each([
    [
      "",
      ["QUERY ", "SEARCH ", "LS ", "PEERS", "STATS", "LIST", "STATUS", "WAIT ", "LIMIT ", "HELP", "EXIT"],
      "",
    ],
    ["s", ["search ", "stats", "status"], "s"],
    ["ST", ["STATS", "STATUS"], "ST"],
    ["x", [], "x"],
    ["query deb", ["debian-12.iso", "debian-13.iso"], "deb"],
    ["  QUERY iso/debian-13", ["iso/debian-13.iso"], "iso/debian-13"],
    ["query evil", [], "evil"],
    ["list re", [], "list re"],
  ])("after %p offers %p", (line, hits, replaced) => {
    expect(completePromptLine(line, names)).toEqual([hits, replaced]);
  });

  test("offers a hundred names at most", () => {
    const many = Array.from({ length: 5000 }, (_, i) => `n${i}`);
    expect(completePromptLine("query ", many)[0]).toHaveLength(100);
  });
});
