/** An index is started again: how long until it has all that its peers share, with its database and without. */
import { mkdirSync, rmSync } from "node:fs";
import { checksTable, type Section } from "../transfer/report.ts";
import type { Shape } from "./catalogue.ts";
import { type Coming, LastingPeers } from "./lasting-peers.ts";
import { type LoadResult, startLoad } from "./load-client.ts";
import { asking } from "./part-register.ts";
import { writePlantedQueries } from "./requests.ts";
import { type Round, rounds, roundsText, spreadOf } from "./rounds.ts";
import { startIndex } from "./servers.ts";
import { markdownTable, milliseconds, target, thousands } from "./tables.ts";
import type { Workspace } from "./workspace.ts";

/** So long that all peers wait as long as they ever do between two attempts. */
const downSeconds = 20;
const wholeTimeoutMs = 300_000;

const cases = ["kept", "killed", "empty"] as const;
type Case = (typeof cases)[number];

const labels: Record<Case, string> = {
  kept: "ended in order, its database kept",
  killed: "killed, its database kept",
  empty: "with an empty database",
};

/** Seconds are from the start of the process. */
interface Restart {
  listening: number;
  firstConnected: number;
  lastConnected: number;
  /** Half of the peers were settled. */
  half: number;
  whole: number;
  bytesPerPeer: number;
  queries: LoadResult;
}

export async function restart(workspace: Workspace): Promise<Section> {
  const shape = { peers: workspace.scaled(200), filesPerPeer: 10_000 };
  const questions = workspace.path("questions");
  writePlantedQueries(questions, shape, 1);
  const all = await rounds(workspace, "restart", () => measure(workspace, shape, questions), 1);
  const of = (which: Case): Round<Restart>[] => all.map((each) => ({ ...each, value: each.value[which] }));
  const row = (which: Case) => {
    const own = of(which);
    const seconds = (figure: (value: Restart) => number) => spreadOf(own, 1, figure);
    return [
      labels[which],
      seconds(({ listening }) => listening),
      seconds(({ firstConnected }) => firstConnected),
      seconds(({ lastConnected }) => lastConnected),
      seconds(({ half }) => half),
      seconds(({ whole }) => whole),
      spreadOf(own, 1, ({ bytesPerPeer }) => bytesPerPeer / 1000),
      milliseconds(own, ({ queries }) => queries.p99Us),
      milliseconds(own, ({ queries }) => queries.maxUs),
    ];
  };
  const whole = (which: Case, atMost: number) =>
    target(`whole again, ${labels[which]}`, { atMost }, "s", of(which), (value) => value.whole);
  const head = [
    "the index was started again",
    "listens after s",
    "first peer connected",
    "last peer connected",
    "half of them registered",
    "all registered",
    "kB a peer",
    "QUERY p99, ms",
    "longest, ms",
  ];
  return {
    title: `Restart: ${shape.peers} peers with ${thousands(shape.filesPerPeer)} files each`,
    paragraphs: [
      `Peers of the product in one process, without folders. The index is away for ${downSeconds} s, so that all of them wait as long as they ever do between two attempts to find it (5 to 10 s, by chance). Seconds are from the start of the new process; kB are what went both ways between the index and a peer, on average; from its start until all are registered ${asking.connections} others ask ${thousands(asking.rate)} times a second. Rounds: ${roundsText(all)}.`,
      markdownTable(head, cases.map(row)),
      checksTable([
        whole("kept", 15),
        target("traffic of a peer, database kept", { atMost: 4 }, "kB", of("kept"), kilobytes),
        whole("killed", 15),
        whole("empty", 60),
      ]),
    ],
  };
}

const kilobytes = ({ bytesPerPeer }: Restart) => bytesPerPeer / 1000;

async function measure(
  workspace: Workspace,
  shape: Shape,
  questions: string,
): Promise<Record<Case, Restart>> {
  let index = await startIndex(workspace, "disk");
  const { port } = index;
  const folder = index.folder!;
  using peers = new LastingPeers(port, shape);
  try {
    await peers.start();
    await peers.whole(wholeTimeoutMs);
    const again = async (which: Case): Promise<Restart> => {
      await index.end(which === "killed" ? "SIGKILL" : "SIGTERM");
      if (which === "empty") {
        rmSync(folder, { recursive: true });
        mkdirSync(folder);
      }
      await Bun.sleep(downSeconds * 1000);
      const startedMs = performance.now();
      index = await startIndex(workspace, "disk", { folder, port });
      const listening = (performance.now() - startedMs) / 1000;
      const asked = startLoad(workspace, {
        ...{ ...asking, server: index, file: questions, warmSeconds: 0 },
        seconds: wholeTimeoutMs / 1000,
      });
      const comings = await peers.whole(wholeTimeoutMs);
      asked.stop();
      const queries = await asked.result();
      // Now that nobody else is connected.
      const bytesPerPeer = peers.bytes / shape.peers;
      return { listening, ...spansOf(comings, startedMs), bytesPerPeer, queries };
    };
    return { kept: await again("kept"), killed: await again("killed"), empty: await again("empty") };
  } finally {
    await index[Symbol.asyncDispose]();
  }
}

function spansOf(comings: readonly Coming[], startedMs: number) {
  const seconds = (of: (coming: Coming) => number) =>
    comings.map((coming) => (of(coming) - startedMs) / 1000).sort((a, b) => a - b);
  const connected = seconds(({ connectedMs }) => connectedMs);
  const settled = seconds(({ settledMs }) => settledMs);
  return {
    firstConnected: connected[0]!,
    lastConnected: connected.at(-1)!,
    half: settled[settled.length >> 1]!,
    whole: settled.at(-1)!,
  };
}
