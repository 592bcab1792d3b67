/**
 * Rows A31, A32 and A34 of the inputs to refuse: an index and sources that mean no good. Made up here, because no
 * program of ours says such things; against the built binary, so that it is what a user would meet.
 */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { contentOf, type TestContent, testContent } from "../helpers/contents.ts";
import { fakeIndex } from "../helpers/fake-index.ts";
import {
  except,
  type FakeConnection,
  type FakeSource,
  fakeSource,
  honestly,
  line,
  type Script,
} from "../helpers/fake-source.ts";
import { PeakMemory } from "../helpers/process-facts.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import { finished, holds, type Query, Swarm } from "../helpers/swarm.ts";

const MiB = 1024 * 1024;
const content = testContent(3 * MiB);

/** One content as in a RESULT, at that port, but for what is changed. */
function listed(port: number, changed: object = {}): object {
  const md5 = "0".repeat(32);
  const sources = [{ peer: "1", host: "127.0.0.1", port }];
  return {
    root: content.root,
    size: content.sizeBytes,
    md5,
    names: ["a.bin"],
    total: 1,
    sources,
    ...changed,
  };
}

/** An index that answers every QUERY with that. */
function indexOf(...contents: object[]): FakeSource {
  return fakeIndex(({ id }, to) => to.send(line({ type: "RESULT", id, contents })));
}

const queryTimeoutSeconds = "1";

function ask(box: Sandbox, index: FakeSource, argv: readonly string[]): Query {
  // Two folders deep: what `../..` leads to is still in the sandbox.
  const folder = join(box.newFolder("downloads"), "deep");
  mkdirSync(folder);
  const where = ["--index", `127.0.0.1:${index.port}`, "--timeout", queryTimeoutSeconds];
  return { process: box.start(["query", "--json", ...where, ...argv], { cwd: folder }), folder };
}

/** How the names in the answer differ from the one that was asked for, and the exit code. */
const names: [asked: string, answered: unknown, exit: number][] = [
  ["a.bin", ["a.bin"], 0],
  ["a.bin", ["sub/folder/a.bin"], 0],
  ["a.bin", ["../../.bashrc"], 8],
  ["a.bin", ["../a.bin"], 8],
  ["a.bin", ["/tmp/a.bin"], 8],
  ["a.bin", ["bunfig.toml"], 8],
  ["a.bin", ["a.bin", "bunfig.toml"], 8],
  ["sub/a.bin", ["other/a.bin"], 8],
  ["a.bin", ["A.BIN"], 8],
  ["a.bin", [""], 8],
  ["a.bin", [17], 8],
  ["a.bin", "a.bin", 8],
];

test("A31 an index that answers with another name: exit 8, and nothing is written but under the name that was asked for", async () => {
  await using box = new Sandbox();
  using source = fakeSource(honestly(content));
  await Promise.all(
    names.map(async ([asked, answered, exit]) => {
      using index = indexOf(listed(source.port, { names: answered }));
      const { code, folder, process, last } = await finished(ask(box, index, [asked]));
      expect(code, process.said()).toBe(exit);
      expect(readdirSync(folder)).toEqual(exit === 0 ? ["a.bin"] : []);
      if (exit === 8)
        expect(last, process.said()).toMatchObject({ event: "error", code: "INDEX_UNREACHABLE" });
      if (exit === 8) expect(process.stderr.trim().split("\n"), process.said()).toHaveLength(1);
    }),
  );
  const everything = readdirSync(box.folder, { recursive: true, encoding: "utf8" });
  expect(everything.filter((path) => /(^|\/)(\.bashrc|bunfig\.toml)$/.test(path))).toEqual([]);
});

const tebibyte = 2 ** 40;
/** What an index may say of a content, the exit code, and flags. */
const claims: [what: string, changed: object, exit: number, flags?: string[]][] = [
  ["2^63 bytes", { size: 2 ** 63 }, 8],
  ["10^12 chunks", { size: 1e12 * MiB }, 8],
  ["one byte more than there may be", { size: tebibyte + 1 }, 8],
  ["a negative size", { size: -1 }, 8],
  ["half a byte", { size: 1.5 }, 8],
  ["a root that is none", { root: "../../etc/passwd" }, 8],
  ["another root than --root", { root: "f".repeat(64) }, 3, ["--root", content.root.slice(0, 8)]],
  ["another root than the source has", { root: "f".repeat(64) }, 5],
  ["a size that is not that of the content", { size: content.sizeBytes + MiB }, 6],
  ["as much as there may be", { size: tebibyte }, 6, ["--no-space-check"]],
  ["more than there is room for", { size: tebibyte }, 7],
  ["a port that is none", { sources: [{ peer: "1", host: "127.0.0.1", port: 70_000 }] }, 8],
  ["a host that is a command", { sources: [{ peer: "1", host: "$(id)", port: 1 }] }, 8],
];

test("A32 an index that claims what cannot be: refused, in one line, and no memory is spent on a claim", async () => {
  await using box = new Sandbox();
  using source = fakeSource(honestly(content));
  await Promise.all(
    claims.map(async ([what, changed, exit, flags = []]) => {
      using index = indexOf(listed(source.port, changed));
      const query = ask(box, index, ["a.bin", ...flags]);
      using memory = new PeakMemory(query.process.pid);
      const { code, folder, process } = await finished(query);
      expect(code, `${what}\n${process.said()}`).toBe(exit);
      expect(existsSync(join(folder, "a.bin")), what).toBe(false);
      expect(process.stderr, what).not.toMatch(/^ +at /m);
      expect(memory.bytes, what).toBeLessThan(200 * MiB);
    }),
  );
});

test("A32 hashes that do not make the root are not used: exit 6, or the next source's", async () => {
  await using swarm = await Swarm.start();
  const wrong = content.chunkHashes.slice();
  wrong[40]! ^= 1;
  const liar = { ...content, chunkHashes: wrong };
  using lying = fakeSource(honestly(liar));
  await swarm.register(lying.port, { "a.bin": content.bytes });
  const alone = await swarm.fetch(["a.bin"]);
  expect(alone.code, alone.process.said()).toBe(6);
  expect(readdirSync(alone.folder)).toEqual([]);
  using honest = fakeSource(honestly(content));
  await swarm.register(honest.port, { "a.bin": content.bytes });
  const right = await swarm.fetch(["a.bin"]);
  expect(right.code, right.process.said()).toBe(0);
  expect(holds(join(right.folder, "a.bin"), content.bytes)).toBe(true);
});

/** GET is answered by `body` after a right header, but for what is changed in it. */
function answering(
  body: (right: Uint8Array) => Uint8Array[],
  changed: object = {},
  after: (to: FakeConnection) => void = () => {},
): (of: TestContent) => Script {
  return (of) =>
    except("GET", of, ({ id, offset = 0, length = 0 }, to) => {
      to.send(line({ type: "DATA", id, offset, length, ...changed }));
      for (const part of body(of.bytes.subarray(offset, offset + length))) to.send(part);
      after(to);
    });
}

/** What a source does, and the exit code when there is no other. */
const sources: [what: string, script: (of: TestContent) => Script, exit: number][] = [
  ["a line without end", (of) => except("GET", of, (_, to) => to.send("a".repeat(4 * MiB))), 6],
  ["10^18 bytes", answering((right) => [right], { length: 1e18 }), 6],
  ["one byte more", answering((right) => [right, Buffer.from("x")]), 6],
  [
    "fewer bytes than said, then the end",
    answering(
      (right) => [right.subarray(1)],
      {},
      (to) => to.end(),
    ),
    5,
  ],
  ["the body of another chunk", answering((right) => [right.toReversed()]), 6],
  ["another offset", answering((right) => [right], { offset: 17 }), 6],
  ["an answer before the question", (of) => except("HELLO", of, (_, to) => to.send(greetingAndMore(of))), 6],
  ["zeros", answering((right) => [new Uint8Array(right.length)]), 6],
  ["nothing, ever", (of) => except("GET", of, () => {}), 5],
  ["one byte, and that was it", answering((right) => [right.subarray(0, 1)]), 5],
  ["no greeting", (of) => except("HELLO", of, () => {}), 5],
];

function greetingAndMore({ bytes }: TestContent): Uint8Array {
  const welcome = line({ type: "WELCOME", version: 1, agent: "fake" });
  return Buffer.concat([
    Buffer.from(welcome + line({ type: "DATA", id: 1, offset: 0, length: 1_000 })),
    bytes.subarray(0, 1_000),
  ]);
}

/** Each a content of its own, so that all can be asked for at once. */
const cases = sources.map(([what, script, exit], i) => {
  const own = contentOf(testContent(2 * MiB + 100, i).bytes);
  return { what, script: script(own), exit, own, name: `${i}.bin` };
});

test("A34 a source that breaks the rules, alone: it is named and that is exit 6; exit 5 when what it says is right as far as it goes", async () => {
  await using swarm = await Swarm.start();
  await Promise.all(
    cases.map(async ({ what, script, exit, own, name }) => {
      using source = fakeSource(script);
      await swarm.register(source.port, { [name]: own.bytes });
      const query = swarm.query([name, "--timeout", "2"]);
      using memory = new PeakMemory(query.process.pid);
      const { code, folder, process, last } = await finished(query);
      expect(code, `${what}\n${process.said()}`).toBe(exit);
      if (exit === 6) expect(String(last?.message), what).toContain(`127.0.0.1:${source.port}`);
      expect(existsSync(join(folder, name)), what).toBe(false);
      expect(memory.bytes, what).toBeLessThan(200 * MiB);
    }),
  );
});

test("A34 a source that breaks the rules is dropped, and another one delivers all of it", async () => {
  await using swarm = await Swarm.start();
  await swarm.peerBehind(
    { bytesPerSecond: 16 * MiB },
    Object.fromEntries(cases.map(({ name, own }) => [name, own.bytes])),
  );
  await Promise.all(
    cases.map(async ({ what, script, own, name }) => {
      using source = fakeSource(script);
      await swarm.register(source.port, { [name]: own.bytes });
      const { code, folder, process } = await swarm.fetch([name, "--chunk-size", "1MiB"]);
      expect(code, `${what}\n${process.said()}`).toBe(0);
      expect(holds(join(folder, name), own.bytes), what).toBe(true);
    }),
  );
});

test("A20: fifty ids with contents of their own under one name stand at one address, and nothing is chosen silently", async () => {
  await using swarm = await Swarm.start();
  const honest = randomBytes(2 * MiB);
  await swarm.peer({ "ubuntu.iso": honest });
  const lie = testContent(MiB + 1);
  for (let id = 0; id < 50; id++) await swarm.register(20_000 + id, { "ubuntu.iso": lie.bytes });
  const { code, process, folder } = await swarm.fetch(["ubuntu.iso"]);
  expect(code, process.said()).toBe(4);
  expect(readdirSync(folder)).toEqual([]);
  const { contents } = process.events.find(({ event }) => event === "ambiguous") as unknown as {
    contents: { root: string; size: number; sources: number; addresses: number }[];
  };
  expect(contents.map(({ size, sources, addresses }) => [size, sources, addresses])).toEqual([
    [lie.sizeBytes, 50, 1],
    [honest.length, 1, 1],
  ]);
  const chosen = await swarm.fetch(["ubuntu.iso", "--root", contents[1]!.root]);
  expect(holds(join(chosen.folder, "ubuntu.iso"), honest), chosen.process.said()).toBe(true);
});
