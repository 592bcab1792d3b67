/** What the README tells people to type exists and works, and the exit codes it lists are those of the program. */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../../scripts/project.ts";
import { ExitCode } from "../../src/errors.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import { entryOf, Swarm } from "../helpers/swarm.ts";

const readme = readFileSync(join(projectFolder, "README.md"), "utf8");

/** `p2p VERB …` in code blocks, without comments and what follows `--`. */
const commands = [...readme.matchAll(/^(?:[A-Z]\$ )?p2p ([a-z-]+)(.*)$/gm)].map(
  ([line, verb = "", rest = ""]) => ({
    line,
    verb,
    flags: flagsOf((rest.split("#")[0] ?? "").split(" -- ")[0] ?? ""),
  }),
);

function flagsOf(words: string): readonly string[] {
  return words.match(/(?<=\s)--?[a-z][a-z-]*/g) ?? [];
}

test("the README has commands of every verb", () => {
  expect(new Set(commands.map(({ verb }) => verb))).toEqual(
    new Set([
      "serve-index",
      "peer",
      "query",
      "search",
      "ls",
      "peers",
      "stats",
      "watch",
      "doctor",
      "index",
      "join",
      "leave",
      "token",
      "ban",
    ]),
  );
});

test("every flag in the README is in the help of its verb", async () => {
  await using box = new Sandbox();
  const helps = new Map<string, string>();
  for (const { line, verb, flags } of commands) {
    const help = helps.get(verb) ?? (await box.run([verb, "--help"])).stdout;
    helps.set(verb, help);
    for (const flag of flags)
      expect(help, `${flag} in: ${line}`).toMatch(new RegExp(`(^|[\\s,])${flag}\\b`, "m"));
  }
});

/** What a shell hands over, with words of the README replaced by those of the test. */
function argumentsOf(line: string, replaced: ReadonlyMap<string, string>): string[] {
  const [command = ""] = line.replace(/^[A-Z]\$ /, "").split(/ +#| \| /);
  return command
    .split(/ +/)
    .slice(1)
    .map((word) => replaced.get(word) ?? word);
}

test("every query and search in the README does what it says", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(100_000);
  const { root } = entryOf("", bytes) as { root: string };
  await swarm.peer({ "papers/a note.txt": bytes });
  const replaced = new Map([
    ["10.0.0.5:7766", swarm.index.address],
    ["WORD", "a"],
    ["ANOTHER", "NOTE"],
    ["-ANOTHER", "-missing"],
    ["NAME", "a note.txt"],
    ["FOLDER/NAME", "papers/a note.txt"],
    ["PATH", "elsewhere/"],
    ["PREFIX", root.slice(0, 8)],
    ["10m", "0.1s"],
  ]);
  const folders = new Map([
    ["FOLDER/", "papers/"],
    ["'dataset/'", "papers/"],
    ["'models/**/*.safetensors'", "papers/**/*.txt"],
    ["'*.iso'", "*.txt"],
    ["out/", "elsewhere/"],
  ]);
  for (const [word, folder] of folders) replaced.set(word, folder);
  const asked = commands.filter(({ verb }) => verb === "query" || verb === "search");
  expect(asked.length).toBeGreaterThanOrEqual(10);
  await Promise.all(
    asked.map(async ({ line, verb, flags }) => {
      const cwd = swarm.box.newFolder("here");
      const ended = await swarm.box.run(argumentsOf(line, replaced), {
        cwd,
        env: { P2P_INDEX: swarm.index.address },
      });
      expect(ended.exitCode, `${line}\n${ended.said()}`).toBe(0);
      if (line.includes("-o -")) {
        expect(readdirSync(cwd), line).toEqual([]);
        expect(ended.stderr, line).toContain("every chunk verified");
        return;
      }
      const isFolder = line.split(" ").some((word) => word !== "out/" && folders.has(word));
      const isListed = !isFolder || flags.includes("--list");
      // Two, where a download beside it serves what it has got already, under a name of its own.
      expect(ended.stdout, line).toMatch(isListed ? /a note\.txt/ : /: (1 file, 100 kB|2 files, 200 kB)/);
      const name = isFolder ? "papers/a note.txt" : "a note.txt";
      const path = join(cwd, flags.includes("-o") ? "elsewhere" : "", name);
      expect(existsSync(path), line).toBe(verb === "query" && !flags.includes("--list"));
    }),
  );
});

test("every index and peer in the README starts, and ends with 0 on SIGTERM", async () => {
  await using swarm = await Swarm.start();
  const shared = swarm.box.newFolder("shared");
  const replaced = new Map([
    ["10.0.0.5:7766", swarm.index.address],
    // Others have no business in a test.
    ["0.0.0.0", "127.0.0.1"],
    ["~/to-share", shared],
    ["/srv/files", shared],
    ["DIR", shared],
  ]);
  const servers = commands.filter(({ verb }) => verb === "serve-index" || verb === "peer");
  expect(servers.length).toBeGreaterThanOrEqual(8);
  await Promise.all(
    servers.map(async ({ line, verb }) => {
      const cwd = swarm.box.newFolder("here");
      const env = { P2P_INDEX: swarm.index.address, P2P_PORT: "0" };
      const started = swarm.box.start(argumentsOf(line, replaced), { cwd, env });
      const said = verb === "peer" ? "registered" : "listening";
      await started.waitUntil(() => started.stdout.includes(said), said);
      started.kill("SIGTERM");
      expect(await started.exit(), `${line}\n${started.said()}`).toBe(0);
      expect(started.stdout, line).toContain(said);
    }),
  );
});

test("what the README links to is there", () => {
  const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map(([, target = ""]) => target);
  const missing = links.filter(
    (target) => !/^https?:/.test(target) && !existsSync(join(projectFolder, target)),
  );
  expect(missing).toEqual([]);
});

test("the exit codes in the README are those of src/errors.ts", () => {
  const table = readme.slice(readme.indexOf("### Exit codes"), readme.indexOf("With `--json` stdout"));
  const listed = [...table.matchAll(/\| (\d+)(?:, (\d+))? +\|/g)].flatMap(([, one, other]) => [one, other]);
  const expected = Object.values(ExitCode).map(String);
  expect(listed.filter((code) => code !== undefined).toSorted()).toEqual(expected.toSorted());
});
