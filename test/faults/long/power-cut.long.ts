/** Rows F02 and F03: the power goes during a download, and at the moment it says that it is done. */
import { expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { longTest, system } from "../../helpers/long-test.ts";
import { LoopDisk } from "../../helpers/loop-disk.ts";
import { finished, holds, partialFiles, type Query, Swarm } from "../../helpers/swarm.ts";

const MiB = 1024 * 1024;
/** Of 64 MiB, 5 s. */
const slow = { bytesPerSecond: 12 * MiB };
const needs = ["namespace", "mkfs.ext4"] as const;

longTest(
  "F02 power cuts during a download: nothing under the final name, and the next run makes it whole",
  { needs, timeoutMs: 120_000 },
  async () => {
    await using swarm = await Swarm.start();
    const bytes = randomBytes(64 * MiB);
    const { proxy } = await swarm.peerBehind(slow, { "a.bin": bytes });
    for (const percent of [10, 40, 80]) {
      const image = join(swarm.box.newFolder("disk"), "disk");
      using disk = LoopDisk.create(image, 256);
      proxy.faults = slow;
      const query = swarm.query(["a.bin", "-o", disk.folder]);
      await reaches(query, (bytes.length * percent) / 200);
      // A system writes out what it likes when it likes: here a part with holes, and nothing of what comes later.
      for (const path of partialFiles(disk.folder).filter((each) => each.endsWith(".part")))
        system("sync", path);
      await reaches(query, (bytes.length * percent) / 100);
      query.process.kill("SIGSTOP");
      using cut = disk.afterPowerCut(`${image}.cut`);
      query.process.kill("SIGKILL");
      await query.process.exit();
      expect(existsSync(join(cut.folder, "a.bin")), `at ${percent} %`).toBe(false);

      proxy.faults = {};
      const { code, process, last } = await swarm.fetch(["a.bin", "-o", cut.folder]);
      expect(code, process.said()).toBe(0);
      expect(Number(last?.resumedBytes)).toBeLessThan(bytes.length);
      expect(holds(join(cut.folder, "a.bin"), bytes), `at ${percent} %`).toBe(true);
    }
  },
);

async function reaches({ process }: Query, enough: number): Promise<void> {
  await process.waitForEvent("progress", { where: ({ bytes }) => Number(bytes) >= enough });
}

longTest(
  "F03 a power cut at the moment it says that it is done: the file is there, whole",
  { needs, timeoutMs: 120_000 },
  async () => {
    await using swarm = await Swarm.start();
    const bytes = randomBytes(48 * MiB);
    await swarm.peer({ "a.bin": bytes });
    for (let i = 0; i < 5; i++) {
      const image = join(swarm.box.newFolder("disk"), "disk");
      using disk = LoopDisk.create(image, 128);
      const query = swarm.query(["a.bin", "-o", disk.folder]);
      await query.process.waitForEvent("complete");
      using cut = disk.afterPowerCut(`${image}.cut`);
      expect(holds(join(cut.folder, "a.bin"), bytes), query.process.said()).toBe(true);
      expect((await finished(query)).code).toBe(0);
    }
  },
);
