/**
 * Rows A10 to A12 from the side of who receives, and what else may go wrong with places: names that clash, or that are
 * too long, a folder that somebody swaps for a link, and modes of files. Nothing is ever written but below the target.
 */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { contentOf } from "../helpers/contents.ts";
import { fakeFiles } from "../helpers/fake-files.ts";
import { fakeIndex } from "../helpers/fake-index.ts";
import { type FakeSource, line } from "../helpers/fake-source.ts";
import { type Files, finished, hasBegun, holds, Swarm } from "../helpers/swarm.ts";
import { differenceOf, failuresOf, finalNamesBelow, namesBelow, wrongFile } from "../helpers/trees.ts";
import { until } from "../helpers/until.ts";

const MiB = 1024 * 1024;
const isWindows = process.platform === "win32";

/** Somebody who has files of these names, whatever their system would make of them. */
class Somebody implements Disposable {
  private constructor(
    readonly files: Files,
    private readonly source: FakeSource,
  ) {}

  static async sharing(swarm: Swarm, names: readonly string[]): Promise<Somebody> {
    const files = Object.fromEntries(names.map((name) => [name, randomBytes(100)]));
    const source = fakeFiles(Object.values(files).map(contentOf));
    await swarm.register(source.port, files);
    return new Somebody(files, source);
  }

  [Symbol.dispose](): void {
    this.source[Symbol.dispose]();
  }
}

test.each<[string, names: [string, string], shown: [string, string]]>([
  ["in case", ["d/Readme", "d/README"], ["d/README", "d/Readme"]],
  ["in the case of a folder", ["d/A/x", "d/a/y"], ["d/A", "d/a"]],
  ["in the form of a letter", ["d/caf\u00e9", "d/cafe\u0301"], ["d/cafe\u0301", "d/caf\u00e9"]],
  ["in letters that are one when folded", ["d/stra\u00dfe", "d/STRASSE"], ["d/STRASSE", "d/stra\u00dfe"]],
  ["as a file and a folder do", ["d/a", "d/a/b"], ["d/a", "d/a/b"]],
])(
  "A12 names that differ only %s: exit 7, both are named, and nothing is written",
  async (_, names, shown) => {
    await using swarm = await Swarm.start();
    using _somebody = await Somebody.sharing(swarm, [...names, "d/innocent"]);
    const { code, folder, last, process } = await swarm.fetch(["d/"]);
    expect(code, process.said()).toBe(7);
    expect(last?.message).toStartWith(`${shown[0]} and ${shown[1]} cannot lie beside each other`);
    expect(readdirSync(folder)).toEqual([]);
    // One by one they are fetched.
    const alone = await swarm.fetch([names[0]]);
    expect(alone.code, alone.process.said()).toBe(0);
  },
);

test.skipIf(isWindows)(
  "A12 names that other systems take for something else lie here under just these names, and lead nowhere else",
  async () => {
    await using swarm = await Swarm.start();
    const names = [
      "CON",
      "nul.txt",
      "COM1.log",
      "COM\u00b9",
      "LPT9",
      "a:b",
      "a.",
      "b ",
      " c",
      "...",
      "~",
      "$HOME",
      "-rf",
      "%2e%2e",
      "a\u200bb",
      "*",
      "?",
    ];
    using somebody = await Somebody.sharing(
      swarm,
      names.map((name) => `d/${name}`),
    );
    const { files } = somebody;
    const { code, folder, process } = await swarm.fetch(["d/"]);
    const dotted = names.filter((name) => name.startsWith("."));
    expect(failuresOf({ process })).toEqual(Object.fromEntries(dotted.map((name) => [`d/${name}`, 7])));
    expect(code, process.said()).toBe(7);
    expect(readdirSync(join(folder, "d")).toSorted()).toEqual(
      names.filter((name) => !dotted.includes(name)).toSorted(),
    );
    expect(wrongFile(folder, files)).toBeUndefined();
  },
);

test("A10 the longest names there may be arrive; longer and deeper ones are an index that talks nonsense", async () => {
  await using swarm = await Swarm.start();
  const long = "é".repeat(127);
  const names = [
    `${"d/".repeat(31)}x`,
    `d/${"n".repeat(255)}`,
    `d/${long}/${long}/${long}/${"x".repeat(250)}`,
  ];
  using somebody = await Somebody.sharing(swarm, names);
  const { files } = somebody;
  const { code, folder, process } = await swarm.fetch(["d/"]);
  expect(code, process.said()).toBe(0);
  expect(differenceOf(folder, files)).toBeUndefined();

  const { root, sizeBytes } = contentOf(randomBytes(10));
  const bad = [
    `${"d/".repeat(32)}x`,
    `${"d/".repeat(200)}x`,
    `d/${"n".repeat(256)}`,
    `d/${"é".repeat(128)}`,
    "d/a\u0000b",
    "d/\u001b[2J",
    "d/a\u202eb",
    "d/a\nb",
    "d/\ud800",
  ];
  await Promise.all(
    bad.map(async (name) => {
      const file = { name, size: sizeBytes, md5: "0".repeat(32), root, total: 1, sources: [0] };
      const peers = [{ peer: "1", host: "127.0.0.1", port: 9 }];
      using index = fakeIndex(({ id }, to) =>
        to.send(line({ type: "NAMES", id, peers, files: [file], more: false })),
      );
      const cwd = swarm.box.newFolder("downloads");
      const argv = ["query", "d/", "--json", "--index", `127.0.0.1:${index.port}`, "--timeout", "1"];
      const query = await swarm.box.run(argv, { cwd });
      expect(query.exitCode, query.said()).toBe(8);
      expect(readdirSync(cwd)).toEqual([]);
    }),
  );
});

// Elsewhere it is only improbable.
test.skipIf(process.platform !== "linux")(
  "A27 a folder of a download that is swapped for a link as fast as it goes: nothing is written where that leads",
  async () => {
    await using swarm = await Swarm.start();
    const files: Files = {};
    for (let i = 0; i < 300; i++) files[`d/sub/deep/${i}`] = randomBytes(500);
    for (let i = 0; i < 4; i++) files[`d/sub/deep/large ${i}`] = randomBytes(MiB + 1);
    await swarm.peer(files);
    const cwd = realpathSync(swarm.box.newFolder("downloads"));
    const at = (name: string) => join(cwd, name);
    mkdirSync(at("d/sub"), { recursive: true });
    mkdirSync(at("outside/deep"), { recursive: true });
    symlinkSync("../outside", at("d/link"));
    const worker = new Worker(new URL("../library/swapping-worker.ts", import.meta.url).href);
    let said: unknown = 0;
    worker.onmessage = ({ data }) => {
      said = data;
    };
    worker.postMessage({ one: at("d/sub"), other: at("d/link"), spare: at("spare") });
    try {
      await until(() => said !== 0);
      for (let round = 0; round < 4; round++) {
        const { code, process } = await swarm.fetch(["d/", "--force"], { cwd });
        expect(code, process.said()).toBeOneOf([0, 7]);
        expect(namesBelow(at("outside"))).toEqual(["deep/"]);
      }
    } finally {
      worker.postMessage("stop");
      await until(() => said === "stopped");
      worker.terminate();
    }
    if (lstatSync(at("d/sub")).isSymbolicLink()) {
      renameSync(at("d/sub"), at("spare"));
      renameSync(at("d/link"), at("d/sub"));
    } else renameSync(at("d/link"), at("spare"));
    expect(wrongFile(cwd, files)).toBeUndefined();
    const after = await swarm.fetch(["d/"], { cwd });
    expect(after.code, after.process.said()).toBe(0);
    expect(finalNamesBelow(at("d")).length).toBe(304);
    expect(wrongFile(cwd, files)).toBeUndefined();
  },
  60_000,
);

const modeOf = (path: string) => (lstatSync(path).mode & 0o777).toString(8);

/** Files and folders below that one, links not followed. */
function* everythingBelow(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    yield path;
    if (lstatSync(path).isDirectory()) yield* everythingBelow(path);
  }
}

test.skipIf(isWindows).each(["000", "022", "077"])(
  "with a umask of %s: what was fetched is as it says and never executable, what is ours is ours alone",
  async (mask) => {
    await using swarm = await Swarm.start();
    const under = ["sh", "-c", `umask ${mask}; exec "$@"`, "sh"];
    const files: Files = {
      "d/small": randomBytes(100),
      "d/large": randomBytes(6 * MiB),
      "d/empty": randomBytes(0),
    };
    const folder = swarm.folderOf(files);
    for (const name of Object.keys(files)) chmodSync(join(folder, name), 0o777);
    const homes = new Set<string>();
    const home = () => {
      const path = swarm.box.newFolder("state");
      homes.add(path);
      return { P2P_HOME: join(path, "p2p") };
    };
    const index = await swarm.box.index([], { under, env: home() });
    const peer = await swarm.box.peer(index, folder, [], { under, env: home() });
    const flags = ["--index", index.address];
    const cwd = swarm.box.newFolder("downloads");
    const query = await swarm.box.run(["query", "d/", ...flags], { cwd, under, env: home() });
    expect(query.exitCode, query.said()).toBe(0);
    const wanted = (0o666 & ~Number.parseInt(mask, 8)).toString(8);
    for (const name of Object.keys(files)) expect([name, modeOf(join(cwd, name))]).toEqual([name, wanted]);
    expect(differenceOf(cwd, files)).toBeUndefined();

    // In the prompt, which keeps what was typed.
    const prompt = await swarm.box.run(["peer", swarm.box.newFolder("mine"), "--port", "0", ...flags], {
      under,
      env: home(),
      stdin: { text: "QUERY d/small\nSEARCH small\nEXIT\n" },
    });
    expect(prompt.exitCode, prompt.said()).toBe(0);

    // While it runs, and after it was killed.
    const cut = swarm.box.newFolder("downloads");
    const slow = swarm.box.start(["query", "d/large", "--json", "--down", "4M", ...flags], {
      cwd: cut,
      under,
      env: home(),
    });
    await hasBegun({ process: slow, folder: cut });
    for (const name of readdirSync(cut)) expect([name, modeOf(join(cut, name))]).toEqual([name, "600"]);
    slow.kill("SIGKILL");
    await finished({ process: slow, folder: cut });

    await peer.process.end();
    let count = 0;
    for (const state of homes) {
      for (const path of everythingBelow(state)) {
        count++;
        expect([path, modeOf(path)]).toEqual([path, statSync(path).isDirectory() ? "700" : "600"]);
      }
    }
    expect(count).toBeGreaterThan(4);
    expect(holds(join(folder, "d/small"), files["d/small"]!)).toBe(true);
  },
);
