/** The prompt of `p2p peer` on a pipe: one command a line, whatever they come to. */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BinaryProcess } from "../helpers/binary-process.ts";
import { holds, Swarm } from "../helpers/swarm.ts";

/** A peer with an empty folder whose prompt reads `stdin`. */
function prompting(swarm: Swarm, stdin: "null" | "open" | { text: string }, flags: string[] = ["--json"]) {
  const folder = swarm.box.newFolder("mine");
  const argv = ["peer", folder, "--index", swarm.index.address, "--port", "0", ...flags];
  return { folder, process: swarm.box.start(argv, { stdin }) };
}

/** The events that answer commands, without those that come when they like. */
function answers({ events }: BinaryProcess): string[] {
  const unasked = ["listening", "registered", "updated", "progress"];
  return events.filter(({ event }) => !unasked.includes(event)).map(({ event }) => event);
}

const bytes = randomBytes(2_500_000);

test("each verb does its work, an error ends one command only, EXIT ends all", async () => {
  await using swarm = await Swarm.start();
  await swarm.peer({ "deep/a.bin": bytes, "two words.txt": Buffer.from("two") });
  const lines = [
    "LIST",
    "QUERY a.bin",
    "query two words.txt",
    "QUERY deep/a.bin",
    "SEARCH TWO -bin",
    "SEARCH nothing like it",
    "QUERY missing.bin",
    "QUERY",
    "FETCH a.bin",
    "QUERY ../../etc/passwd",
    "x".repeat(100_000),
    "",
    "   ",
    "WAIT 0.1",
    "WAIT soon",
    "Status\r",
    "HELP",
    "EXIT",
    "QUERY after the exit",
  ];
  const { process, folder } = prompting(swarm, { text: `${lines.join("\n")}\n` });
  expect(await process.exit(), process.said()).toBe(0);
  expect(answers(process), process.said()).toEqual([
    ...["found", "complete"],
    ...["found", "complete"],
    ...["found", "complete"],
    "match",
    ...Array(7).fill("error"),
    "status",
  ]);
  expect(process.otherLines).toEqual([]);
  const codes = process.events.filter(({ event }) => event === "error").map(({ code }) => code);
  expect(codes).toEqual(["NOT_FOUND", "NOT_FOUND", "USAGE", "USAGE", "NOT_FOUND", "USAGE", "USAGE"]);
  expect(holds(join(folder, "a.bin"), bytes)).toBe(true);
  expect(holds(join(folder, "deep/a.bin"), bytes)).toBe(true);
  expect(existsSync(join(folder, "two words.txt"))).toBe(true);
});

test("in words: data on stdout, errors on stderr, and no prompt in a pipe", async () => {
  await using swarm = await Swarm.start();
  await swarm.peer({ "a.bin": bytes });
  const text = "QUERY a.bin\nnonsense\nSEARCH a\nSTATUS\nHELP\n";
  const { process } = prompting(swarm, { text }, []);
  expect(await process.exit(), process.said()).toBe(0);
  for (const part of ["a.bin", "every chunk verified", "sharing", "QUERY name"])
    expect(process.stdout, process.said()).toContain(part);
  expect(process.stderr, process.said()).toMatch(/^p2p: .*nonsense/m);
  expect(process.stdout + process.stderr).not.toContain("\u001b");
});

test("what was fetched is shared from then on, and survives the peer it came from", async () => {
  await using swarm = await Swarm.start();
  const first = await swarm.peer({ "a.bin": bytes });
  const { process } = prompting(swarm, "open", ["--json", "--settle", "0.2"]);
  process.write("QUERY a.bin\n");
  await process.waitForEvent("updated", { where: ({ added }) => (added as string[]).includes("a.bin") });
  first.process.kill("SIGKILL");
  await first.process.exit();
  const { code, folder, process: query } = await swarm.fetch(["a.bin"]);
  expect(code, query.said()).toBe(0);
  expect(holds(join(folder, "a.bin"), bytes)).toBe(true);
  process.endInput();
  expect(await process.exit(), process.said()).toBe(0);
});

test("an input that is empty from the start, and --no-prompt: served until SIGTERM", async () => {
  await using swarm = await Swarm.start();
  const peers = [prompting(swarm, "null"), prompting(swarm, { text: "EXIT\n" }, ["--json", "--no-prompt"])];
  await Promise.all(
    peers.map(async ({ process, folder }, i) => {
      await process.waitForEvent("registered");
      swarm.box.put(folder, `${i}.txt`, `later ${i}`);
      await process.waitForEvent("updated");
      process.kill("SIGTERM");
      expect(await process.exit(), process.said()).toBe(0);
    }),
  );
});

test("WAIT on a pipe serves until an empty line or the end; SIGTERM ends a running command", async () => {
  await using swarm = await Swarm.start();
  const waiting = prompting(swarm, "open");
  waiting.process.write("WAIT\n");
  await waiting.process.waitForEvent("registered");
  waiting.process.write("\nSTATUS\n");
  await waiting.process.waitForEvent("status");
  waiting.process.write("WAIT 1000\n");
  waiting.process.kill("SIGTERM");
  expect(await waiting.process.exit(), waiting.process.said()).toBe(0);
});
