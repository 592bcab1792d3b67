/**
 * Rows A25, A27 and A28: a peer gives out what is in its folder and nothing else, whatever it is asked for and whoever
 * swaps what for what meanwhile. The built binary, real files, real requests.
 */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { contentOf, type TestContent } from "../helpers/contents.ts";
import { openFilesOf } from "../helpers/process-facts.ts";
import { type RunningServer, Sandbox } from "../helpers/sandbox.ts";
import { canMount } from "../helpers/small-disk.ts";
import { Swarm } from "../helpers/swarm.ts";
import { until } from "../helpers/until.ts";
import { type Answer, BodyClient } from "../helpers/upload-server.ts";

const isLinux = process.platform === "linux";

interface Got {
  /** Undefined: the connection ended before. */
  answer: Answer | undefined;
  body: Buffer;
}

/** What requests in one packet bring, each an answer and its body, as far as the connection goes. */
async function allGot(client: BodyClient, requests: readonly object[]): Promise<Got[]> {
  const [first, before] = [client.answers.length, client.bodyBytes];
  client.sayAll(requests);
  const answers = () => client.answers.slice(first, first + requests.length);
  const areWhole = () => {
    const lengths = answers().map(({ length = 0 }) => length);
    return lengths.length === requests.length && client.bodyBytes - before >= lengths.reduce((a, b) => a + b);
  };
  await until(() => client.isClosed || areWhole());
  let bodies = client.bodies.subarray(before);
  return requests.map((_, i) => {
    const answer = answers()[i];
    const body = bodies.subarray(0, answer?.length ?? 0);
    bodies = bodies.subarray(body.length);
    return { answer, body };
  });
}

async function got(client: BodyClient, request: object): Promise<Got> {
  return (await allGot(client, [request]))[0]!;
}

let lastId = 0;
function getOf({ root, sizeBytes }: TestContent): object {
  return { type: "GET", id: ++lastId, root, offset: 0, length: sizeBytes };
}

function get(client: BodyClient, content: TestContent): Promise<Got> {
  return got(client, getOf(content));
}

test("A25 what names no content of the folder, or no range of it, is refused; no word of it is a path", async () => {
  await using swarm = await Swarm.start();
  const inside = contentOf(randomBytes(3_000_000));
  const outside = contentOf(randomBytes(1_000));
  const folder = swarm.folderOf({ "a.bin": inside.bytes });
  swarm.box.put(join(folder, ".."), "outside.bin", outside.bytes);
  swarm.box.put(folder, ".hidden", outside.bytes);
  const peer = await swarm.box.peer(swarm.index, folder);
  using client = await BodyClient.open(peer.port);
  const before = isLinux ? openFilesOf(peer.process.pid) : 0;
  const { root } = inside;
  const paths = [
    "../../etc/passwd",
    "/etc/passwd",
    "a.bin",
    "../outside.bin",
    ".hidden",
    "",
    "..",
    root.toUpperCase(),
    `${root}\n`,
    7,
    null,
  ];
  const range = (offset: unknown, length: unknown) => ({ type: "GET", root, offset, length });
  const table: [request: object, code: string][] = [
    ...paths.flatMap((path): [object, string][] => [
      [{ type: "GET", root: path, offset: 0, length: 1 }, "BAD_HASH"],
      [{ type: "HASHES", root: path }, "BAD_HASH"],
      [{ type: "HAVE", root: path }, "BAD_HASH"],
      // The file, and a field that is none of ours.
      [{ type: "HASHES", root: outside.root, file: path, name: path, path }, "NOT_FOUND"],
    ]),
    ...["GET", "HASHES", "HAVE"].map((type): [object, string] => [
      { type, root: outside.root, offset: 0, length: 1 },
      "NOT_FOUND",
    ]),
    [{ type: "GET", root: "0".repeat(64), offset: 0, length: 1 }, "NOT_FOUND"],
    [range(-1, 1), "BAD_RANGE"],
    [range(2 ** 53, 1), "BAD_RANGE"],
    [range(1.5, 1), "BAD_RANGE"],
    [range("0", 1), "BAD_RANGE"],
    [range(null, 1), "BAD_RANGE"],
    [range(3_000_000, 1), "BAD_RANGE"],
    [range(2_999_999, 2), "BAD_RANGE"],
    [range(0, 3_000_001), "BAD_RANGE"],
    [range(0, 0), "BAD_RANGE"],
    [range(0, -1), "BAD_RANGE"],
    [range(0, 2 ** 31), "BAD_RANGE"],
    [range(2 ** 53 - 1, 2 ** 53 - 1), "BAD_RANGE"],
  ];
  for (const [request, code] of table) {
    const { answer } = await got(client, { ...request, id: ++lastId });
    expect(answer, JSON.stringify(request)).toMatchObject({ type: "ERROR", id: lastId, code });
  }
  // It is still there, whole.
  const { body } = await get(client, inside);
  expect(Buffer.compare(body, inside.bytes)).toBe(0);
  expect(peer.process.stderr).not.toMatch(/^ +at /m);
  if (isLinux) await until(() => openFilesOf(peer.process.pid) <= before + 2);
});

/** Of one size, so that only their bytes and what the system says of them tells them apart. */
const fileBytes = 20_000;
const fileCount = 8;

/** A folder `share` that is shared and a folder `outside` with the same names: which is which only the bytes say. */
class Race implements AsyncDisposable {
  readonly inside: TestContent[] = [];
  readonly outside: TestContent[] = [];
  readonly folder: string;
  readonly box: Sandbox;
  /** Ended with it. */
  readonly parts = new DisposableStack();
  /** So far. */
  swaps = 0;
  private worker: Worker | undefined;

  constructor() {
    this.box = new Sandbox();
    this.folder = this.box.newFolder("race");
    const written = new Date(Date.now() - 60_000);
    for (let i = 0; i < fileCount; i++) {
      const [mine, theirs] = [contentOf(randomBytes(fileBytes)), contentOf(randomBytes(fileBytes))];
      this.inside.push(mine);
      this.outside.push(theirs);
      for (const [where, { bytes }] of [
        ["share/sub", mine],
        ["outside/sub", theirs],
      ] as const)
        utimesSync(this.box.put(this.folder, `${where}/${i}`, bytes), written, written);
    }
  }

  at(name: string): string {
    return join(this.folder, name);
  }

  /** Swaps them as fast as it can, until the end. */
  async swap(one: string, other: string): Promise<void> {
    const worker = new Worker(new URL("../library/swapping-worker.ts", import.meta.url).href);
    this.worker = worker;
    worker.onmessage = ({ data }: MessageEvent<number>) => {
      this.swaps = data;
    };
    worker.postMessage({ one: this.at(one), other: this.at(other), spare: this.at("spare") });
    await until(() => this.swaps > 0);
  }

  async calm(): Promise<void> {
    const { worker } = this;
    if (worker === undefined) return;
    this.worker = undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    worker.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (data === "stopped") resolve();
    };
    worker.postMessage("stop");
    await promise;
    worker.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.calm();
    this.parts.dispose();
    await this.box[Symbol.asyncDispose]();
  }
}

/** Asks for everything again and again; how often it was given, and how often not. */
async function askAll(
  race: Race,
  peer: RunningServer,
  rounds: number,
): Promise<{ given: number; refused: number }> {
  const count = { given: 0, refused: 0 };
  const contents = [...race.inside, ...race.outside];
  for (let round = 0; round < rounds; round++) {
    using client = await BodyClient.open(peer.port);
    const all = await allGot(client, contents.map(getOf));
    for (const [i, { answer, body }] of all.entries()) {
      // Of what is given, every byte is one from inside.
      expect(Buffer.compare(body, contents[i]!.bytes.subarray(0, body.length)), "bytes of another file").toBe(
        0,
      );
      if (body.length > 0) expect(i, "a content of the outside was given out").toBeLessThan(fileCount);
      else expect(answer?.code ?? "closed").toBeOneOf(["NOT_FOUND", "GONE", "closed"]);
      if (body.length === fileBytes) count.given++;
      else if (i < fileCount) count.refused++;
    }
  }
  return count;
}

/** The first is swapped for the second: a link that leads outside, made beforehand. */
const swaps: [what: string, one: string, link: string, to: string][] = [
  ["a folder in it", "share/sub", "share/link", "../outside/sub"],
  ["the shared folder itself", "share", "link", "outside"],
  ["a file in it", "share/sub/0", "share/sub/link", "../../outside/sub/0"],
  ["a folder in it, for one by way of /proc", "share/sub", "share/link", "PROC/outside/sub"],
];

test.skipIf(!isLinux).each(swaps)(
  "A27 %s swapped for a link to the outside as fast as it goes: never a byte from there, under any name",
  async (_, one, link, to) => {
    await using race = new Race();
    const index = await race.box.index();
    const peer = await race.box.peer(index, race.at("share"), ["--settle", "0", "--rescan", "1"]);
    symlinkSync(to.replace("PROC", `/proc/${process.pid}/root${race.folder}`), race.at(link));
    await race.swap(one, link);
    const during = await askAll(race, peer, 100);
    // Otherwise nothing was tried. (How often it was given is for the two to fight out; a folder that is lost now and then
    // may have nothing to give.)
    if (one !== "share") expect(during.given).toBeGreaterThan(0);
    expect(race.swaps).toBeGreaterThan(1_000);
    await race.calm();
    if (lstatSync(race.at(one)).isSymbolicLink()) {
      renameSync(race.at(one), race.at("spare"));
      renameSync(race.at(link), race.at(one));
    } else renameSync(race.at(link), race.at("spare"));
    // Nobody has heard of anything else, and all that is inside is given out again.
    const names = await race.box.run(["query", "**", "--list", "--json", "--index", index.address]);
    const roots = names.events.flatMap(({ event, root }) => (event === "found" ? [root] : []));
    for (const { root } of race.outside) expect(roots).not.toContain(root);
    for (let i = 0; i < fileCount; i++) utimesSync(race.at(`share/sub/${i}`), new Date(), new Date());
    // What is not watched any more is looked at anew after a while.
    await until(async () => (await askAll(race, peer, 1)).refused === 0, 30_000);
    expect(peer.process.exitCode).toBeUndefined();
    expect(peer.process.stderr).not.toMatch(/^ +at /m);
  },
  60_000,
);

/** What comes to lie where a shared file was. */
const replacements: [what: string, put: (path: string, race: Race) => void, canBe: boolean][] = [
  ["a link to the outside", (path, race) => symlinkSync(race.at("outside/sub/0"), path), true],
  [
    "a link by way of /proc/self/root",
    (path, race) => symlinkSync(`/proc/self/root${race.at("outside/sub/0")}`, path),
    isLinux,
  ],
  ["a link to a descriptor", (path) => symlinkSync("/proc/self/fd/3", path), isLinux],
  ["a link to where the peer works", (path) => symlinkSync("/proc/self/cwd", path), isLinux],
  ["a pipe", (path) => run(["mkfifo", path]), true],
  ["a folder", (path) => mkdirSync(path), true],
  ["a socket", (path, race) => race.parts.use(Bun.listen({ unix: path, socket: { data() {} } })), isLinux],
  ["a device", (path) => run(["mknod", path, "c", "1", "5"]), isLinux && process.getuid?.() === 0],
  ["another file of its size and time", (path, race) => another(path, race), true],
];

function run(argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
}

/** Hard links are files, and so is what they lead to: theirs would be shared, but not under the root of ours. */
function another(path: string, race: Race): void {
  const { atime, mtime } = lstatSync(race.at("share/sub/1"));
  linkSync(race.at("outside/sub/0"), path);
  utimesSync(path, atime, mtime);
}

test("A27 a shared file that becomes something else while its peer does not look: nothing of that is given out", async () => {
  await using race = new Race();
  const peer = await race.box.peer(await race.box.index(), race.at("share"), ["--settle", "0.1"]);
  const [first] = race.inside;
  for (const [what, put, canBe] of replacements) {
    if (!canBe) continue;
    const path = race.at("share/sub/0");
    const away = race.at("away");
    using client = await BodyClient.open(peer.port);
    await until(async () => (await get(client, first!)).answer?.type === "DATA");
    peer.process.kill("SIGSTOP");
    renameSync(path, away);
    put(path, race);
    const asked = get(client, first!);
    peer.process.kill("SIGCONT");
    const { answer, body } = await asked;
    expect(answer?.code, what).toBeOneOf(["GONE", "NOT_FOUND"]);
    expect(body.length, what).toBe(0);
    const theirs = await get(client, race.outside[0]!);
    if (what.startsWith("another file"))
      expect(theirs.answer?.code ?? "DATA", what).toBeOneOf(["NOT_FOUND", "DATA"]);
    else expect(theirs.answer?.code, what).toBe("NOT_FOUND");
    rmSync(path, { recursive: true });
    renameSync(away, path);
    utimesSync(path, new Date(), new Date());
  }
  expect(peer.process.exitCode).toBeUndefined();
  expect(peer.process.stderr).not.toMatch(/^ +at /m);
});

test.skipIf(!canMount)(
  "A27 what is mounted over a shared folder is not given out for what was there (where one can mount)",
  async () => {
    await using race = new Race();
    const peer = await race.box.peer(await race.box.index(), race.at("share"), ["--rescan", "1"]);
    using client = await BodyClient.open(peer.port);
    run(["mount", "--bind", race.at("outside/sub"), race.at("share/sub")]);
    try {
      for (const content of race.inside) {
        const { answer, body } = await get(client, content);
        expect(answer?.code).toBeOneOf(["GONE", "NOT_FOUND"]);
        expect(body.length).toBe(0);
      }
    } finally {
      run(["umount", "--lazy", race.at("share/sub")]);
    }
  },
);

test.skipIf(!isLinux)(
  "A28 names that are no text, or no names on the wire, are skipped with a warning that shows them; the rest is served",
  async () => {
    await using swarm = await Swarm.start();
    const good = [
      "a".repeat(255),
      " ",
      "   .txt",
      "🎉 party.dat",
      "שלום.txt",
      "مرحبا",
      "e\u0301.txt",
      "-rf",
      "a\u200bb",
      "a:b?*",
      "CON",
      "a.",
      "a ",
    ];
    const bad: [name: string | Buffer, shown: string][] = [
      [Buffer.from("bad\xff\xfe", "latin1"), "bad\ufffd\ufffd"],
      [Buffer.from("ed\xed\xa0\x80", "latin1"), "ed\ufffd\ufffd\ufffd"],
      ["line\nbreak", "line\\u{a}break"],
      ["carriage\rreturn", "carriage\\u{d}return"],
      ["\u001b]0;owned\u0007", "\\u{1b}]0;owned\\u{7}"],
      ["c1\u009b31m", "c1\\u{9b}31m"],
      ["invoice\u202efdp.exe", "invoice\\u{202e}fdp.exe"],
      ["back\\slash", "back\\slash"],
    ];
    const files = Object.fromEntries(good.map((name, i) => [name, Buffer.from(`${i}`)]));
    const folder = swarm.folderOf(files);
    for (const [name] of bad)
      writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name as string)]), "bad");
    const peer = await swarm.box.peer(swarm.index, folder);
    const registered = await peer.process.waitForEvent("registered");
    expect(registered.files).toBe(good.length);
    await until(() => bad.every(([, shown]) => peer.process.stderr.includes(shown)));
    expect(/[\p{Cc}\u202a-\u202e]/u.test(peer.process.stderr.replaceAll("\n", ""))).toBe(false);
    const fetched = await swarm.fetch(["**"]);
    expect(fetched.code, fetched.process.said()).toBe(0);
    expect(readdirSync(fetched.folder).toSorted()).toEqual(good.toSorted());
    expect(existsSync(join(fetched.folder, "bad"))).toBe(false);
  },
);
