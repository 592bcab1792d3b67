/** What peers cost that only say that they are there. */
import { checksTable, type Section } from "../transfer/report.ts";
import { Crowd } from "./crowd.ts";
import { rounds, roundsText, spreadOf } from "./rounds.ts";
import { startIndex } from "./servers.ts";
import { markdownTable, target, thousands } from "./tables.ts";
import type { Workspace } from "./workspace.ts";

/** Half the time between two signs of life: they are evenly spread, so any stretch is like all. */
const watchedSeconds = 15;

export async function idle(workspace: Workspace): Promise<Section> {
  const peers = workspace.scaled(10_000);
  const all = await rounds(
    workspace,
    "idle",
    async () => {
      await using index = await startIndex(workspace, "memory");
      await using crowd = new Crowd(index.port);
      // Some first: what any connection brings with it is not what each costs.
      await crowd.joinIdle(100);
      await Bun.sleep(1_000);
      const before = index.memory;
      const connected = await crowd.joinIdle(peers);
      await Bun.sleep(2_000);
      const cpuBefore = index.cpuSeconds;
      await Bun.sleep(watchedSeconds * 1000);
      const after = index.memory;
      crowd.requireWhole();
      return {
        connected,
        megabytes: after.all - before.all,
        anonymous: after.anonymous - before.anonymous,
        percent: ((index.cpuSeconds - cpuBefore) / watchedSeconds) * 100,
      };
    },
    1,
  );
  const row = [
    ...[
      thousands(peers),
      spreadOf(all, 1, ({ connected }) => connected),
      spreadOf(all, 1, ({ megabytes }) => megabytes),
    ],
    ...[spreadOf(all, 1, ({ anonymous }) => anonymous), spreadOf(all, 1, ({ percent }) => percent)],
  ];
  return {
    title: `${thousands(peers)} connected peers that are idle`,
    paragraphs: [
      `Registered with nothing, each with a PING every 30 s. Rounds: ${roundsText(all)}.`,
      markdownTable(["peers", "connected in s", "more resident MB", "of it anonymous", "% of a core"], [row]),
      checksTable([
        target("memory of idle peers", { atMost: 20 }, "MB", all, ({ megabytes }) => megabytes),
        target("CPU of idle peers", { atMost: 5 }, "% of a core", all, ({ percent }) => percent),
      ]),
    ],
  };
}
