/**
 * Rows F01, F05, F21 to F23 of the table of faults: a downloader that is killed, that meets another one, and that
 * has nowhere to write. The final name never exists before all of it is right, and what was verified is kept.
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
  rmSync,
  statfsSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { testContent } from "../helpers/contents.ts";
import { fakeSource, honestly } from "../helpers/fake-source.ts";
import { canMount, SmallDisk } from "../helpers/small-disk.ts";
import { finished, hasBegun, holds, partialFiles, Swarm } from "../helpers/swarm.ts";

const MiB = 1024 * 1024;
/** Slow enough that a download of some MiB can be disturbed in the middle. */
const slow = { bytesPerSecond: 8 * MiB };

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

test("F01 a downloader that is killed or interrupted goes on, whatever has become of the partial file", async () => {
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

test("F05 a second download of the same content into the same folder: exit 7, naming the first one", async () => {
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

test("F23 a target that is no plain file is left as it is", async () => {
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
  "F21 a full disk; F23 one that is read-only (skipped where nothing can be mounted)",
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

test.skipIf(!canMount)(
  "F22 the disk fills up during the transfer: exit 7, and once there is room the next run goes on (where one can mount)",
  async () => {
    await using swarm = await Swarm.start();
    const bytes = randomBytes(16 * MiB);
    const { proxy } = await swarm.peerBehind(slow, { "a.bin": bytes });
    const disk = swarm.box.newFolder("disk");
    using _mounted = new SmallDisk(disk, "size=24m");
    const query = swarm.query(["a.bin", "-o", disk]);
    await hasBegun(query);
    fill(disk);
    const full = await finished(query);
    expect(full.last, full.process.said()).toMatchObject({ event: "error", code: "LOCAL_IO", exit: 7 });
    expect(String(full.last?.message)).toMatch(/space/);
    expect(full.process.stderr).not.toMatch(/^ +at /m);
    expect(existsSync(join(disk, "a.bin"))).toBe(false);
    expect(partialFiles(disk).some((path) => path.endsWith(".part"))).toBe(true);

    rmSync(join(disk, "of somebody else"));
    proxy.faults = {};
    const again = await swarm.fetch(["a.bin", "-o", disk]);
    expect(again.code, again.process.said()).toBe(0);
    expect(Number(again.last?.resumedBytes)).toBeGreaterThan(0);
    expect(holds(join(disk, "a.bin"), bytes)).toBe(true);
    expect(readdirSync(disk)).toEqual(["a.bin"]);
  },
);

/** Leaves not a block free. */
function fill(disk: string): void {
  const path = join(disk, "of somebody else");
  writeFileSync(path, "");
  for (let left = statfsSync(disk); left.bavail > 0; left = statfsSync(disk)) {
    appendFileSync(path, new Uint8Array(left.bavail * left.bsize));
  }
}

test.skipIf(Bun.which("prlimit") === null)(
  "F23 the system allows no file of that size: exit 7, naming the file and the reason (where there is prlimit)",
  async () => {
    await using swarm = await Swarm.start();
    const bytes = randomBytes(8 * MiB);
    await swarm.peer({ "a.bin": bytes });
    const under = ["prlimit", `--fsize=${2 * MiB}`];
    const { last, process, folder } = await swarm.fetch(["a.bin"], { under });
    expect(last, process.said()).toMatchObject({ event: "error", code: "LOCAL_IO", exit: 7 });
    expect(String(last?.message)).toContain(join(folder, ".p2p-"));
    expect(String(last?.message)).toContain("EFBIG");
    expect(existsSync(join(folder, "a.bin"))).toBe(false);
  },
);

test.skipIf(!canMount || Bun.which("chattr") === null)(
  "F23 a folder where nobody may write: exit 7 before a source is asked (where one can mount)",
  async () => {
    await using swarm = await Swarm.start();
    const content = testContent(2 * MiB);
    using source = fakeSource(honestly(content));
    await swarm.register(source.port, { "a.bin": content.bytes });
    const [readOnly, sealed] = [swarm.box.newFolder("disk"), swarm.box.newFolder("disk")];
    using _readOnly = new SmallDisk(readOnly, "ro");
    using _sealed = new SmallDisk(sealed, "size=8m");
    using _seal = new Seal(sealed);
    for (const [folder, reason] of [
      [readOnly, /read-only/],
      [sealed, /not permitted|permission/i],
    ] as const) {
      const { last, process } = await swarm.fetch(["a.bin", "-o", folder]);
      expect(last, process.said()).toMatchObject({ event: "error", code: "LOCAL_IO", exit: 7 });
      expect(String(last?.message)).toContain(folder);
      expect(String(last?.message)).toMatch(reason);
      expect(readdirSync(folder)).toEqual([]);
    }
    expect(source.connections).toBe(0);
  },
);

/** `chattr +i`: root itself may not write there. */
class Seal implements Disposable {
  constructor(private readonly folder: string) {
    expect(Bun.spawnSync(["chattr", "+i", folder]).exitCode, "chattr +i").toBe(0);
  }

  [Symbol.dispose](): void {
    Bun.spawnSync(["chattr", "-i", this.folder]);
  }
}
