import { expect, test } from "bun:test";
import { SkipNotices } from "../../src/library/skip-notices.ts";

test("says each thing once, printably, and does not go on for ever", () => {
  const notices = new SkipNotices();
  expect(notices.line("a\u001b[2J", "it is a symbolic link")).toBe(
    "not shared: a\\u{1b}[2J: it is a symbolic link",
  );
  expect(notices.line("a\u001b[2J", "it is a symbolic link")).toBeUndefined();
  expect(notices.line("a\u001b[2J", "it is a FIFO")).toBeDefined();
  const lines = Array.from({ length: 100 }, (_, i) => notices.line(`file-${i}`, "it is a symbolic link"));
  expect(lines.filter((line) => line !== undefined)).toHaveLength(20);
  expect(lines[19]).toContain("more of these");
  expect(lines.slice(20).every((line) => line === undefined)).toBe(true);
});
