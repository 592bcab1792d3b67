/**
 * Rows F25 and F26 of the table of faults: shared files that change, go or become something else in the middle of a
 * transfer. Nobody ever gets a mix of two contents, and the peer goes on.
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
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { finished, hasBegun, holds, Swarm } from "../helpers/swarm.ts";

const MiB = 1024 * 1024;

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
  ["a pipe now", (path) => replace(path, () => expect(Bun.spawnSync(["mkfifo", path]).exitCode).toBe(0))],
  ["a link now", (path) => replace(path, () => symlinkSync("overwritten", path))],
  ["a folder now", (path) => replace(path, () => mkdirSync(path))],
];

function overwrite(path: string, position: number, text: string): void {
  const fd = openSync(path, "r+");
  writeSync(fd, text, position);
  closeSync(fd);
}

function replace(path: string, by: () => void): void {
  unlinkSync(path);
  by();
}

for (const others of [false, true]) {
  const rest = others ? "the others deliver the old content" : "exit 5, and nothing under the final name";
  test(`F25 F26 a shared file changes during the transfer: ${rest}`, async () => {
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
    // The peer goes on, and tells its index what is no file any more.
    const { process } = changing.peer;
    for (const [name] of changes.filter(([name]) => isGone(join(changing.folder, name))))
      await process.waitForEvent("updated", { where: ({ removed }) => namesIn(removed).includes(name) });
    expect(process.exitCode).toBeUndefined();
    expect(process.stderr).not.toMatch(/^ +at /m);
  });
}

function isGone(path: string): boolean {
  return !(lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false);
}

function namesIn(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
