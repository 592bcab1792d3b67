/**
 * `p2p query` when things go wrong: sources that die, lie, stall or change their files, a downloader that is
 * killed, disks that say no. Never a wrong byte under the final name, and nothing fetched twice that was right.
 */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { canMount, SmallDisk } from "../helpers/small-disk.ts";
import { finished, holds, partialFiles, type Query, Swarm } from "../helpers/swarm.ts";

const MiB = 1024 * 1024;
/** Slow enough that a download of some MiB can be disturbed in the middle. */
const slow = { bytesPerSecond: 8 * MiB };

/** Some of it is verified, and (with these rates) not all of it. */
async function hasBegun({ process }: Query): Promise<void> {
  await process.waitForEvent("progress", { where: ({ bytes }) => Number(bytes) > 0 });
}

test("one of two sources is killed: the other delivers the rest", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(16 * MiB);
  const [dying, living] = [
    await swarm.peerBehind(slow, { "a.bin": bytes }),
    await swarm.peerBehind(slow, { "a.bin": bytes }),
  ];
  const query = swarm.query(["a.bin"]);
  await hasBegun(query);
  dying.peer.process.kill("SIGKILL");
  const { code, folder, process, last } = await finished(query);
  expect(code, process.said()).toBe(0);
  expect(holds(join(folder, "a.bin"), bytes)).toBe(true);
  const sources = last?.sources as { port: number; bytes: number }[];
  const fromLiving = sources.find(({ port }) => port === living.proxy.port)?.bytes;
  expect(fromLiving).toBeGreaterThan(bytes.length / 2);
});

test("the only source is killed: exit 5, and the next run goes on where it was", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(16 * MiB);
  const { peer } = await swarm.peerBehind(slow, { "a.bin": bytes });
  const query = swarm.query(["a.bin", "--timeout", "2"]);
  await hasBegun(query);
  peer.process.kill("SIGKILL");
  const { code, folder, process } = await finished(query);
  expect(code, process.said()).toBe(5);
  expect(existsSync(join(folder, "a.bin"))).toBe(false);
  expect(partialFiles(folder).some((path) => path.endsWith(".part"))).toBe(true);

  await swarm.peer({ "a.bin": bytes });
  const again = await swarm.fetch(["a.bin"], { cwd: folder });
  expect(again.code, again.process.said()).toBe(0);
  expect(Number(again.last?.resumedBytes)).toBeGreaterThan(0);
  expect(holds(join(folder, "a.bin"), bytes)).toBe(true);
  expect(readdirSync(folder)).toEqual(["a.bin"]);
});

/** What a disk or a person may do to a partial file before the next run. */
const damages: [what: string, damage: (part: string, hashes: string) => void][] = [
  ["nothing", () => {}],
  ["wrong bytes at its begin", (part) => overwrite(part, 100, "damaged")],
  ["wrong hashes", (_, hashes) => overwrite(hashes, 40, "damaged")],
  ["no hashes", (_, hashes) => unlinkSync(hashes)],
  ["hashes that are a link to a file of mine", (part, hashes) => replaceByLink(hashes, `${part}.mine`)],
  ["cut short", (part) => truncateSync(part, MiB + 17)],
  ["too long", (part) => appendFileSync(part, Buffer.alloc(20 * MiB))],
];
const ends = [
  ["SIGKILL", 137],
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const;

test("a downloader that is killed or interrupted goes on, whatever has become of the partial file", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(12 * MiB);
  const { proxy } = await swarm.peerBehind({ bytesPerSecond: 30 * MiB }, { "a.bin": bytes });
  const ended = damages.map(async ([what, damage], i) => {
    const [signal, exit] = ends[i % ends.length]!;
    const query = swarm.query(["a.bin", "--threads", "1"]);
    await hasBegun(query);
    query.process.kill(signal);
    const { code, folder, process } = await finished(query);
    expect(code, `${what}\n${process.said()}`).toBe(exit);
    expect(existsSync(join(folder, "a.bin")), what).toBe(false);
    const part = partialFiles(folder).find((path) => path.endsWith(".part"));
    expect(part, process.said()).toBeString();
    damage(part!, part!.replace(/part$/, "hashes"));
    return { what, folder };
  });
  const interrupted = await Promise.all(ended);
  proxy.faults = {};
  await Promise.all(
    interrupted.map(async ({ what, folder }) => {
      const { code, process, last } = await swarm.fetch(["a.bin"], { cwd: folder });
      expect(code, `${what}\n${process.said()}`).toBe(0);
      expect(holds(join(folder, "a.bin"), bytes), what).toBe(true);
      expect(partialFiles(folder).filter((path) => !path.endsWith(".mine"))).toEqual([]);
      if (what === "nothing") expect(Number(last?.resumedBytes)).toBeGreaterThan(0);
    }),
  );
});

function overwrite(path: string, position: number, text: string): void {
  const fd = openSync(path, "r+");
  writeSync(fd, text, position);
  closeSync(fd);
}

function replaceByLink(path: string, mine: string): void {
  writeFileSync(mine, "mine");
  unlinkSync(path);
  symlinkSync(mine, path);
}

/**
 * Twice what two connections may be asked for ahead (4 requests of 1 MiB each): however much of that sockets and the
 * proxy hold already, some of the file has yet to be asked for when it changes.
 */
const changingBytes = 16 * MiB;
/** Of all downloads from one source: progress is told every 500 ms, when not 3 MiB more have come. */
const changingRate = 5 * MiB;
/** What happens to the shared file in the middle of a transfer. */
const changes: [name: string, change: (path: string) => void][] = [
  ["overwritten", (path) => overwrite(path, 12 * MiB, "changed in place")],
  ["truncated", (path) => truncateSync(path, MiB)],
  ["appended", (path) => appendFileSync(path, "more")],
  ["deleted", (path) => unlinkSync(path)],
  [
    "replaced",
    (path) => {
      writeFileSync(`${path}.new`, Buffer.alloc(changingBytes, "new"));
      renameSync(`${path}.new`, path);
    },
  ],
];

for (const others of [false, true]) {
  const rest = others ? "the others deliver the old content" : "exit 5, and nothing under the final name";
  test(`a shared file changes during the transfer: ${rest}`, async () => {
    await using swarm = await Swarm.start();
    const files = Object.fromEntries(changes.map(([name]) => [name, randomBytes(changingBytes)]));
    const changing = await swarm.peerBehind({ bytesPerSecond: changingRate }, files);
    const staying = others ? await swarm.peerBehind({ bytesPerSecond: changingRate }, files) : undefined;
    const flags = ["--threads", "1", "--chunk-size", "1MiB", "--connections", "2", "--timeout", "5"];
    const queries = changes.map(([name]) => swarm.query([name, ...flags]));
    // Each as soon as it has begun: the first would be done before the last has on a busy machine.
    const changed = changes.map(async ([name, change], i) => {
      await hasBegun(queries[i]!);
      change(join(changing.folder, name));
    });
    await Promise.all(changed);
    for (const source of [changing, staying]) if (source !== undefined) source.proxy.faults = {};
    await Promise.all(
      changes.map(async ([name], i) => {
        const { code, folder, process } = await finished(queries[i]!);
        expect(code, process.said()).toBe(others ? 0 : 5);
        if (others) expect(holds(join(folder, name), files[name]!), process.said()).toBe(true);
        else expect(existsSync(join(folder, name)), process.said()).toBe(false);
      }),
    );
  });
}

test("a source that sends a wrong chunk is named and dropped; when it is the only one, exit 6", async () => {
  await using swarm = await Swarm.start();
  const [both, alone] = [randomBytes(12 * MiB), randomBytes(12 * MiB)];
  const [lying] = await Promise.all([
    swarm.peerBehind({ flipBitEvery: 700_000 }, { both, alone }),
    swarm.peerBehind(slow, { both }),
  ]);
  const liar = `127.0.0.1:${lying.proxy.port}`;
  const [right, wrong] = await Promise.all([swarm.fetch(["both"]), swarm.fetch(["alone"])]);

  expect(right.code, right.process.said()).toBe(0);
  expect(holds(join(right.folder, "both"), both)).toBe(true);
  expect(right.process.stderr).toContain(liar);
  expect(right.process.stderr.trim().split("\n")).toHaveLength(1);
  const sources = right.last?.sources as { port: number; badChunks: number }[];
  expect(sources.find(({ port }) => port === lying.proxy.port)?.badChunks).toBe(1);

  expect(wrong.last, wrong.process.said()).toMatchObject({ event: "error", code: "VERIFICATION", exit: 6 });
  expect(String(wrong.last?.message)).toContain(liar);
  expect(existsSync(join(wrong.folder, "alone"))).toBe(false);
});

test("a source that stalls loses its part to the others; when it is the only one, exit 5 after --timeout", async () => {
  await using swarm = await Swarm.start();
  const [both, alone] = [randomBytes(12 * MiB), randomBytes(12 * MiB)];
  await Promise.all([
    swarm.peerBehind({ stallAfter: 1.5 * MiB }, { both, alone }),
    swarm.peerBehind(slow, { both }),
  ]);
  const [right, wrong] = await Promise.all([
    swarm.fetch(["both"]),
    swarm.fetch(["alone", "--timeout", "2", "--connections", "1"]),
  ]);
  expect(right.code, right.process.said()).toBe(0);
  expect(holds(join(right.folder, "both"), both)).toBe(true);
  expect(Number(right.last?.seconds)).toBeLessThan(10);
  expect(wrong.code, wrong.process.said()).toBe(5);
});

test("a network that cuts, delays and tears everything apart costs time only", async () => {
  await using swarm = await Swarm.start();
  const small = randomBytes(5_000);
  const bytes = randomBytes(6 * MiB + 1);
  const [whole] = await Promise.all([
    swarm.peerBehind({ delayMs: 5 }, { "a.bin": bytes }),
    swarm.peerBehind({ cutAfter: 1.2 * MiB }, { "a.bin": bytes }),
    swarm.peerBehind({ pieceBytes: 1 }, { small }),
  ]);
  const [large, torn] = await Promise.all([
    swarm.fetch(["a.bin", "--chunk-size", "1MiB"]),
    swarm.fetch(["small"]),
  ]);
  expect(large.code, large.process.said()).toBe(0);
  expect(holds(join(large.folder, "a.bin"), bytes)).toBe(true);
  expect(whole.proxy.passedBytes).toBeGreaterThan(0);
  expect(torn.code, torn.process.said()).toBe(0);
  expect(holds(join(torn.folder, "small"), small)).toBe(true);
});

test("a second download of the same content into the same folder: exit 7, naming the first one", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(8 * MiB);
  await swarm.peerBehind(slow, { "a.bin": bytes });
  const first = swarm.query(["a.bin"]);
  await hasBegun(first);
  const second = await swarm.fetch(["a.bin"], { cwd: first.folder });
  expect(second.last, second.process.said()).toMatchObject({ event: "error", code: "LOCAL_IO", exit: 7 });
  expect(String(second.last?.message)).toContain(`pid ${first.process.pid}`);
  expect((await finished(first)).code, first.process.said()).toBe(0);
  expect(holds(join(first.folder, "a.bin"), bytes)).toBe(true);
});

test("a target that is no plain file is left as it is", async () => {
  await using swarm = await Swarm.start();
  const bytes = randomBytes(2 * MiB);
  await swarm.peer({ "a.bin": bytes });
  const cwd = swarm.box.newFolder("downloads");
  mkdirSync(join(cwd, "folder", "a.bin"), { recursive: true });
  writeFileSync(join(cwd, "mine"), "mine");
  symlinkSync("mine", join(cwd, "link"));
  symlinkSync("missing", join(cwd, "dangling"));
  expect(Bun.spawnSync(["mkfifo", join(cwd, "fifo")]).exitCode).toBe(0);
  const cases: [output: string, exit: number][] = [
    ["folder", 7],
    ["link", 9],
    ["dangling", 9],
    ["fifo", 9],
    ["mine/a.bin", 7],
    ["/dev/null", 9],
  ];
  await Promise.all(
    cases.map(async ([output, exit]) => {
      const { process, code } = await swarm.fetch(["a.bin", "-o", output], { cwd });
      expect(code, process.said()).toBe(exit);
    }),
  );
  expect(readFileSync(join(cwd, "mine"), "utf8")).toBe("mine");
  expect(lstatSync(join(cwd, "link")).isSymbolicLink()).toBe(true);
  expect(lstatSync(join(cwd, "fifo")).isFIFO()).toBe(true);
  // --force replaces the link or the pipe itself, and never what a link leads to.
  for (const output of ["link", "fifo"]) {
    const { process, code } = await swarm.fetch(["a.bin", "--force", "-o", output], { cwd });
    expect(code, process.said()).toBe(0);
    expect(holds(join(cwd, output), bytes), output).toBe(true);
    expect(lstatSync(join(cwd, output)).isFile()).toBe(true);
  }
  expect(readFileSync(join(cwd, "mine"), "utf8")).toBe("mine");
  expect(partialFiles(cwd)).toEqual([]);
});

test.skipIf(!canMount)(
  "a full disk, and one that is read-only (skipped where nothing can be mounted)",
  async () => {
    await using swarm = await Swarm.start();
    const bytes = randomBytes(12 * MiB);
    await swarm.peer({ "a.bin": bytes });
    const disk = swarm.box.newFolder("disk");
    {
      using small = new SmallDisk(disk, "size=6m");
      const early = await swarm.fetch(["a.bin", "-o", disk]);
      expect(early.last, early.process.said()).toMatchObject({ event: "error", code: "LOCAL_IO", exit: 7 });
      expect(String(early.last?.message)).toMatch(/needs 12\.6 MB, but only 6\.29 MB are free/);
      expect(readdirSync(disk)).toEqual([]);

      const late = await swarm.fetch(["a.bin", "-o", disk, "--no-space-check"]);
      expect(late.last, late.process.said()).toMatchObject({ event: "error", code: "LOCAL_IO", exit: 7 });
      expect(String(late.last?.message)).toMatch(/space/);
      expect(late.process.stderr).not.toMatch(/^ +at /m);
      expect(partialFiles(disk).some((path) => path.endsWith(".part"))).toBe(true);
      expect(existsSync(join(disk, "a.bin"))).toBe(false);

      small.remount("ro");
      const readOnly = await swarm.fetch(["a.bin", "-o", disk]);
      expect(readOnly.last, readOnly.process.said()).toMatchObject({
        event: "error",
        code: "LOCAL_IO",
        exit: 7,
      });
      expect(String(readOnly.last?.message)).toContain("read-only");

      small.remount("rw,size=20m");
      const again = await swarm.fetch(["a.bin", "-o", disk]);
      expect(again.code, again.process.said()).toBe(0);
      expect(Number(again.last?.resumedBytes)).toBeGreaterThan(0);
      expect(holds(join(disk, "a.bin"), bytes)).toBe(true);
      expect(readdirSync(disk)).toEqual(["a.bin"]);
    }
  },
);
