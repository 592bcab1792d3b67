/**
 * The file that is shipped, started where a user would start it: in a folder that strangers' files are downloaded
 * to. What it does once it runs is tested elsewhere; here it is what a compiled binary can get wrong.
 */
import { expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectVersion } from "../../scripts/project.ts";
import { Sandbox } from "../helpers/sandbox.ts";

/** Fills `folder` with everything that makes Bun or a bundler read, run or resolve something. */
function layTraps(box: Sandbox, folder: string): { sprung: () => string[] } {
  const trap = (name: string) => `require("fs").writeFileSync(${JSON.stringify(join(folder, name))}, "x");\n`;
  const marks: string[] = [];
  const put = (file: string, mark: string, text: (code: string) => string) => {
    marks.push(mark);
    box.put(folder, file, text(trap(mark)));
  };
  put("preload.js", "preload-ran", (code) => code);
  box.put(
    folder,
    "bunfig.toml",
    'preload = ["./preload.js"]\n[run]\nbun = true\n[test]\npreload = ["./preload.js"]\n',
  );
  box.put(
    folder,
    ".env",
    "P2P_DB=from-env.db\nP2P_HOST=127.9.9.9\nP2P_PORT=1\nP2P_INDEX=127.0.0.1:1\nP2P_QUIET=1\n",
  );
  box.put(folder, ".env.production", "P2P_DB=from-env.db\n");
  box.put(folder, "package.json", '{"name":"trap","type":"commonjs","imports":{"#*":"./preload.js"}}');
  box.put(folder, "tsconfig.json", '{"compilerOptions":{"paths":{"*":["./preload.js"]}}}');
  for (const name of ["citty", "consola", "chokidar", "cli-progress", "fastest-levenshtein"]) {
    put(`node_modules/${name}/index.js`, `${name}-ran`, (code) => code);
    box.put(folder, `node_modules/${name}/package.json`, `{"name":"${name}","main":"index.js"}`);
  }
  for (const name of ["library/hash-worker.js", "library/hash-worker.ts", "src/main.ts"]) {
    put(name, `${name.replaceAll("/", "-")}-ran`, (code) => code);
  }
  return { sprung: () => [...marks, "from-env.db"].filter((mark) => existsSync(join(folder, mark))) };
}

test("--version prints the version of package.json, and nothing else", async () => {
  await using box = new Sandbox();
  const run = await box.run(["--version"]);
  expect(run.stdout.trim()).toBe(projectVersion());
  expect(run.stderr).toBe("");
  expect(run.exitCode).toBe(0);
});

test("nothing in the folder it is started in is run, loaded or obeyed", async () => {
  await using box = new Sandbox();
  const hostile = box.newFolder("hostile");
  const traps = layTraps(box, hostile);
  const content = randomBytes(3 * 1024 * 1024 + 17);
  const shared = box.newFolder("shared");
  box.put(shared, "a.bin", content);

  // The index has its default database, the peer its Workers, the query its default target: here.
  const index = await box.index([], { cwd: hostile });
  expect(index.host).toBe("127.0.0.1");
  await box.peer(index, shared, [], { cwd: hostile });
  const query = await box.run(["query", "a.bin", "--index", index.address, "--json"], { cwd: hostile });

  expect(query.exitCode, query.said()).toBe(0);
  expect(readFileSync(join(hostile, "a.bin")).equals(content)).toBe(true);
  expect(traps.sprung()).toEqual([]);
  // Without --index it asks the default one, not that of the .env: whatever answers there has no such file.
  const other = await box.run(["query", "no such file", "--json"], { cwd: hostile });
  expect(other.stdout).not.toContain('127.0.0.1:1"');
});

test("its Workers are inside it: a peer hashes and a query verifies in a folder without a source file", async () => {
  await using box = new Sandbox();
  const content = randomBytes(20 * 1024 * 1024);
  const md5 = createHash("md5").update(content).digest("hex");
  const shared = box.newFolder("shared");
  box.put(shared, "deep/er/päckchen 文件.bin", content);
  const index = await box.index();
  await box.peer(index, shared);
  const cwd = box.newFolder("empty");
  const query = await box.run(["query", "päckchen 文件.bin", "--index", index.address, "--json"], { cwd });
  expect(query.exitCode, query.said()).toBe(0);
  const complete = query.events.find((event) => event.event === "complete");
  expect(complete).toMatchObject({ size: content.length, md5 });
  expect(readFileSync(join(cwd, "päckchen 文件.bin")).equals(content)).toBe(true);
});

test("a reader that leaves early is no error, and what was printed is not cut off", async () => {
  await using box = new Sandbox();
  const help = await box.run(["query", "--help"]);
  expect(help.exitCode).toBe(0);
  expect(help.stdout.trim().split("\n").length).toBeGreaterThan(5);
});
