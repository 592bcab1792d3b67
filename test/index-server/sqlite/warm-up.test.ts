/** Which files are read from end to end when an index starts. */
import { expect, test } from "bun:test";
import { WarmUp } from "../../../src/index-server/sqlite/warm-up.ts";
import { temporaryFolder } from "../../library/temporary-folder.ts";

const mib = 1024 * 1024;

test.each<[what: string, roomBytes: number, readBytes: number]>([
  ["all of them", 100 * mib, 3 * mib + 12],
  ["just all of them", 3 * mib + 12, 3 * mib + 12],
  ["what fits, whole", 3 * mib, 2 * mib + 12],
  ["none that does not fit", mib, 7],
  ["nothing", 0, 0],
])("read is %s", async (_, roomBytes, readBytes) => {
  using folder = temporaryFolder();
  const paths = [
    folder.write("large", new Uint8Array(2 * mib + 5)),
    folder.at("is not there"),
    folder.path,
    folder.write("small", new Uint8Array(7)),
    folder.write("another", new Uint8Array(mib)),
  ];
  expect(await new WarmUp(paths, roomBytes).ended()).toBe(readBytes);
});

test("who stops it waits for one piece at most", async () => {
  using folder = temporaryFolder();
  const path = folder.write("large", new Uint8Array(64 * mib));
  const warmUp = new WarmUp([path, path], Number.POSITIVE_INFINITY);
  expect(await warmUp.stop()).toBeLessThanOrEqual(mib);
  expect(await warmUp.stop()).toBeLessThanOrEqual(mib);
});
