/** What the README tells people to type exists, and the exit codes it lists are those of the program. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../../scripts/project.ts";
import { ExitCode } from "../../src/errors.ts";
import { Sandbox } from "../helpers/sandbox.ts";

const readme = readFileSync(join(projectFolder, "README.md"), "utf8");

/** `p2p VERB …` in code blocks, without comments and what follows `--`. */
const commands = [...readme.matchAll(/^(?:[A-Z]\$ )?p2p ([a-z-]+)(.*)$/gm)].map(
  ([line, verb = "", rest = ""]) => ({
    line,
    verb,
    flags: (rest.split("#")[0] ?? "").split(" -- ")[0]?.match(/(?<=\s)--?[a-z][a-z-]*/g) ?? [],
  }),
);

test("the README has commands of every verb", () => {
  expect(new Set(commands.map(({ verb }) => verb))).toEqual(
    new Set(["serve-index", "peer", "query", "search"]),
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
