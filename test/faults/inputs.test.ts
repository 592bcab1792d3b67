/**
 * Rows A07, A09 to A12 and A14: what an index has to refuse, each said to the built binary. Every test ends with the same
 * question: is another client served within a second, is nothing stored, is nothing in the log, and are files and memory
 * back where they were?
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { testContent } from "../helpers/contents.ts";
import { fakeFiles } from "../helpers/fake-files.ts";
import { fakeIndex } from "../helpers/fake-index.ts";
import { wireEntry } from "../helpers/file-entries.ts";
import { hello, LineClient, type Message } from "../helpers/line-client.ts";
import { openFilesOf, peakBytesOf } from "../helpers/process-facts.ts";
import { type RunningServer, Sandbox } from "../helpers/sandbox.ts";
import { holds, Swarm } from "../helpers/swarm.ts";
import { until } from "../helpers/until.ts";

const MiB = 1024 * 1024;
/** U+001B, U+009B, line ends, and what reorders or hides text. */
const harmful = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/u;

let box: Sandbox;
let index: RunningServer;
let openBefore = 0;
beforeAll(async () => {
  box = new Sandbox();
  index = await box.index();
  await unharmed();
  if (process.platform === "linux") openBefore = openFilesOf(index.process.pid);
});
afterAll(() => box[Symbol.asyncDispose]());

/** Another client is served as ever, and nothing was stored. */
async function unharmed(): Promise<void> {
  const startMs = performance.now();
  await using client = await LineClient.greeted(index.port);
  expect(await client.request({ type: "QUERY", id: 1, name: "ok" })).toEqual({
    type: "RESULT",
    id: 1,
    contents: [],
  });
  expect(performance.now() - startMs).toBeLessThan(1_000);
  expect(await client.request({ type: "STATS", id: 2 })).toMatchObject({ files: 0, names: 0 });
  expect(index.process.stderr).toBe("");
}

/** And when who said it has left, everything is as it was before. */
async function backToBefore(): Promise<void> {
  await unharmed();
  if (process.platform !== "linux") return;
  await until(() => openFilesOf(index.process.pid) <= openBefore);
  expect(peakBytesOf(index.process.pid)).toBeLessThan(250 * MiB);
}

/** What is answered to the last of these lines; `closed`: the connection is, behind it. */
async function said(
  ...lines: (string | Uint8Array)[]
): Promise<{ answer: Message | undefined; closed: boolean }> {
  await using client = await LineClient.open(index.port);
  for (const line of lines) client.sendRaw(Buffer.concat([Buffer.from(line as string), Buffer.from("\n")]));
  await client.until(() => client.isClosed || client.answers.length === lines.length, "an answer");
  // What is closed is closed right behind the answer; what lives answers once more.
  client.send({ type: "PING", id: 4242 });
  await client.until(() => client.isClosed || client.answers.length > lines.length, "another answer");
  return { answer: client.answers[lines.length - 1], closed: client.isClosed };
}

const greeting = JSON.stringify(hello);
const fine = wireEntry("ok");

/** REGISTER of a file that is fine and one that is not. */
function register(file: object): string {
  return JSON.stringify({
    type: "REGISTER",
    id: 7,
    port: 7767,
    files: [fine, { ...wireEntry("a"), ...file }],
  });
}

test("A07 sizes that are none: the whole REGISTER is refused, and nothing of it stored", async () => {
  const sizes =
    '-1 9007199254740993 1e400 1.5 "5" null 18446744073709551616 -0 1099511627777 [] {} true'.split(" ");
  for (const size of sizes) {
    const line = register({ size: "SIZE" }).replace('"SIZE"', size);
    const { answer, closed } = await said(greeting, line);
    expect(answer, size).toMatchObject({ type: "ERROR", id: 7, code: "BAD_SIZE" });
    expect(closed, size).toBe(false);
    await unharmed();
  }
  const { answer } = await said(greeting, register({ size: undefined }));
  expect(answer).toMatchObject({ code: "BAD_SIZE" });
  await backToBefore();
});

test("A09 what is no text: the connection ends; texts that are no names: it lives; line ends of Windows are fine", async () => {
  const name = (text: string) => register({ name: "NAME" }).replace("NAME", text);
  const raw = (text: string) => Buffer.from(text, "latin1");
  const table: [what: string, line: string | Uint8Array, code: string | undefined, closed: boolean][] = [
    ["bytes in quotes", raw("\x22\xff\xfe\x22"), "BAD_JSON", true],
    ["bytes in a name", raw(name("\xff\xfe")), "BAD_JSON", true],
    ["an overlong slash", raw(name("a\xc0\xafb")), "BAD_JSON", true],
    ["a surrogate as bytes", raw(name("\xed\xa0\x80")), "BAD_JSON", true],
    ["a byte order mark", `\ufeff${name("b")}`, "BAD_JSON", true],
    ["a zero byte", name("a\0b"), "BAD_JSON", true],
    ["a line without anything", "", "BAD_JSON", true],
    ["a line of blanks", "   ", "BAD_JSON", true],
    ["a lone surrogate", name("\\ud800"), "BAD_NAME", false],
    ["two surrogates in the wrong order", name("\\udc00\\ud800"), "BAD_NAME", false],
    ["NUL", name("\\u0000"), "BAD_NAME", false],
    ["a byte order mark in a name", name("\\ufeffa"), "BAD_NAME", false],
    ["CR LF", '{"type":"PING","id":7}\r', undefined, false],
  ];
  for (const [what, line, code, isClosed] of table) {
    const { answer, closed } = await said(greeting, line);
    if (code === undefined) expect(answer, what).toEqual({ type: "OK", id: 7 });
    else expect(answer, what).toMatchObject({ type: "ERROR", code });
    expect(closed, what).toBe(isClosed);
  }
  // A million of them are one: nobody listens behind the first.
  await using flood = await LineClient.greeted(index.port);
  flood.sendRaw("\n".repeat(1_000_000));
  await flood.closed();
  expect(flood.answers.filter(({ type }) => type === "ERROR")).toHaveLength(1);
  await backToBefore();
});

const badNames = [
  ...[
    "",
    ".",
    "..",
    "../x",
    "a/../../x",
    "/etc/passwd",
    "C:\\x",
    "\\\\srv\\s",
    "a\0b",
    "a//b",
    "./a",
    "a/",
    "/",
  ],
  ...[
    "x".repeat(256),
    "é".repeat(128),
    "x".repeat(4_097),
    Array(33).fill("x").join("/"),
    Array(200).fill("x").join("/"),
  ],
];

test("A10 names that lead elsewhere or are too long: refused with all that came along, in REGISTER and UPDATE", async () => {
  for (const name of badNames) {
    const registered = await said(greeting, register({ name }));
    expect(registered.answer, name).toMatchObject({ id: 7, code: "BAD_NAME" });
    expect(registered.closed, name).toBe(false);
    const empty = JSON.stringify({ type: "REGISTER", id: 1, port: 7767, files: [] });
    for (const change of [{ add: [fine, wireEntry(name)] }, { add: [fine], remove: [name] }]) {
      const updated = await said(greeting, empty, JSON.stringify({ type: "UPDATE", id: 7, ...change }));
      expect(updated.answer, name).toMatchObject({ id: 7, code: "BAD_NAME" });
    }
  }
  await backToBefore();
});

test("A11 names that move a cursor, or hide or reorder text, are refused", async () => {
  const names = [
    "\u001b]0;owned\u0007\u001b[2J",
    "\u009b31m",
    "a\rb",
    "a\nb",
    "invoice\u202efdp.exe",
    "\u2066a",
    "\ufeffa",
    "a\u2028b",
    "\u007f",
  ];
  for (const name of names) {
    const { answer } = await said(greeting, register({ name }));
    expect(answer, JSON.stringify(name)).toMatchObject({ id: 7, code: "BAD_NAME" });
  }
  await backToBefore();
});

test("A14 what is not expected now, or is no message at all", async () => {
  const beforeHello: [line: string, code: string, closed: boolean][] = [
    ['{"type":"QUERY","id":1,"name":"a"}', "BAD_STATE", false],
    ['{"type":"REGISTER","id":1,"port":7767,"files":[]}', "BAD_STATE", false],
    ['{"type":"HELLO","version":2,"agent":"x"}', "BAD_VERSION", true],
    ['{"type":"HELLO","version":1}', "BAD_MESSAGE", false],
    ["[]", "BAD_MESSAGE", false],
    ["1", "BAD_MESSAGE", false],
  ];
  for (const [line, code, isClosed] of beforeHello) {
    await using client = await LineClient.open(index.port);
    client.sendRaw(`${line}\n`);
    const answer = await client.answerWhere(() => true);
    expect(answer, line).toMatchObject({ type: "ERROR", code });
    if (isClosed) await client.closed();
    else expect(client.isClosed, line).toBe(false);
  }
  const afterHello: [line: string, code: string][] = [
    [greeting, "BAD_STATE"],
    ['{"type":"UPDATE","id":1,"add":[]}', "BAD_STATE"],
    ['{"type":"FROBNICATE","id":1}', "UNKNOWN_TYPE"],
    ['{"type":"GET","id":1}', "UNKNOWN_TYPE"],
    ['{"type":{"x":1},"id":1}', "BAD_MESSAGE"],
    ['{"type":"toString","id":1}', "UNKNOWN_TYPE"],
    ["[]", "BAD_MESSAGE"],
    ['"QUERY"', "BAD_MESSAGE"],
    ["1", "BAD_MESSAGE"],
    ["null", "BAD_MESSAGE"],
    ["{}", "BAD_MESSAGE"],
    ['{"type":"PING"}', "BAD_MESSAGE"],
  ];
  // One after the other on one connection, which lives.
  await using client = await LineClient.greeted(index.port);
  for (const [line, code] of afterHello) {
    const count = client.answers.length;
    client.sendRaw(`${line}\n`);
    await client.until(() => client.answers.length > count, `an answer to ${line}`);
    expect(client.answers.at(-1), line).toMatchObject({ type: "ERROR", code });
  }
  expect(await client.request({ type: "PING", id: 99 })).toEqual({ type: "OK", id: 99 });
  client.close();
  await backToBefore();
});

// --- what people see, and what they get ---

test("A10 a name like an option is a name: behind --, and as it is on the disk", async () => {
  await using swarm = await Swarm.start();
  const { bytes } = testContent(1_000);
  await swarm.peer({ "-rf": bytes, "--help": bytes.subarray(1) });
  const { code, folder, process } = await swarm.fetch(["--", "-rf"]);
  expect(code, process.said()).toBe(0);
  expect(holds(join(folder, "-rf"), bytes)).toBe(true);
  const other = await swarm.fetch(["--", "--help"]);
  expect(other.code, other.process.said()).toBe(0);
  expect(readdirSync(other.folder)).toEqual(["--help"]);
});

test("A11 what others say reaches no terminal as it is: names, searches, and the words of an index", async () => {
  const evil = "\u001b]0;owned\u0007\u009b31m\r\u202e\u2028";
  using unkind = fakeIndex(({ id }, to) => {
    to.send(`${JSON.stringify({ type: "ERROR", id, code: evil, message: evil })}\n`);
  });
  for (const argv of [["query", "a.bin", "--timeout", "1"], ["search", "a"], ["ls"], ["peers"], ["stats"]]) {
    const run = await box.run([...argv, "--index", `127.0.0.1:${unkind.port}`]);
    expect(run.exitCode, run.said()).toBe(8);
    const shown = (run.stdout + run.stderr).replaceAll("\n", "");
    expect(harmful.test(shown), JSON.stringify(shown)).toBe(false);
    expect(shown).toContain("\\u{1b}");
  }
  const asked = await box.run(["query", evil, "--index", index.address]);
  expect(asked.exitCode).toBe(3);
  expect(harmful.test(asked.stderr.replaceAll("\n", "")), JSON.stringify(asked.stderr)).toBe(false);
});

test("A12 files that begin with a dot: shared by nobody of ours, fetched by whoever types the name, and with no folder", async () => {
  await using swarm = await Swarm.start();
  const content = testContent(500);
  const names = [".env", ".bashrc", "d/.npmrc", "bunfig.toml", "desktop.ini"];
  const files = Object.fromEntries(names.map((name) => [name, content.bytes]));
  // Ours skips them and says so.
  const peer = await swarm.peer(files);
  await until(() => ["d/.npmrc", ".env"].every((name) => peer.process.stderr.includes(name)));
  const listed = await swarm.fetch(["**", "--list"]);
  const shared = listed.process.events.flatMap(({ event, name }) => (event === "found" ? [name] : []));
  expect(shared.toSorted()).toEqual(["bunfig.toml", "desktop.ini"]);
  // Somebody else shares them.
  using source = fakeFiles([content]);
  await swarm.register(source.port, files);
  const typed = await swarm.fetch([".env"]);
  expect(typed.code, typed.process.said()).toBe(0);
  expect(readdirSync(typed.folder)).toEqual([".env"]);
  const folder = await swarm.fetch(["**"]);
  expect(folder.code, folder.process.said()).toBe(7);
  expect(readdirSync(folder.folder).toSorted()).toEqual(["bunfig.toml", "desktop.ini"]);
  expect(existsSync(join(folder.folder, "d"))).toBe(false);
});
