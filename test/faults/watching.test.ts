/** Row F28: the system has no inotify left for a peer, in a user namespace of its own. */
import { expect, test } from "bun:test";
import { Sandbox } from "../helpers/sandbox.ts";

const canSetInotify =
  process.platform === "linux" &&
  Bun.which("unshare") !== null &&
  Bun.spawnSync(["unshare", "-Ur", "sh", "-c", "echo 3 > /proc/sys/user/max_inotify_watches"]).exitCode === 0;

test.skipIf(!canSetInotify).each([
  ["max_inotify_watches", 3, "fs.inotify.max_user_watches"],
  ["max_inotify_instances", 0, "fs.inotify.max_user_instances"],
])(
  "F28: a peer with %s of %d says once what to raise, and finds a new file by looking",
  async (limit, count, raise) => {
    await using box = new Sandbox();
    const index = await box.index();
    const folder = box.newFolder("shared");
    for (let i = 0; i < 8; i++) box.put(folder, `sub ${i}/a ${i}.txt`, `${i}`);
    const under = [
      "unshare",
      "-Ur",
      "sh",
      "-c",
      `echo ${count} > /proc/sys/user/${limit} && exec "$@"`,
      "sh",
    ];
    const { process: peer } = await box.peer(index, folder, ["--settle", "0.2", "--rescan", "1"], { under });
    await peer.waitUntil(() => peer.stderr.includes("\n"), "a line on stderr");
    box.put(folder, "sub 7/new.txt", "new");
    await peer.waitForEvent("updated", { where: ({ added }) => String(added) === "sub 7/new.txt" });
    expect(peer.stderr.trimEnd().split("\n"), peer.said()).toHaveLength(1);
    expect(peer.stderr).toContain("looking every 1 s instead");
    expect(peer.stderr).toContain(`raise them with: sysctl ${raise}=`);
  },
);
