/** One peer registers a million files while others ask: how fast, and do they feel it. */
import { checksTable, type Section } from "../transfer/report.ts";
import { Crowd } from "./crowd.ts";
import { bulk, type LoadResult, startLoad } from "./load-client.ts";
import { writePlantedQueries, writeRegistration } from "./requests.ts";
import { type Round, rounds, roundsText, spreadOf } from "./rounds.ts";
import { startIndex } from "./servers.ts";
import { markdownTable, milliseconds, rates, target, thousands } from "./tables.ts";
import type { Storage, Workspace } from "./workspace.ts";

/** Asked by 20 others, 2,000 times a second together. */
export const asking = { connections: 20, rate: 2_000 };

interface OneRound {
  filesPerSecond: number;
  queries: LoadResult;
  memory: { all: number; anonymous: number };
}

export async function register(workspace: Workspace): Promise<Section> {
  const files = workspace.scaled(1_000_000);
  const base = { peers: workspace.scaled(100), filesPerPeer: 1_000 };
  const [registration, questions] = [workspace.path("registration"), workspace.path("questions")];
  writeRegistration(registration, 60_000, 0, files);
  writePlantedQueries(questions, base, 1);
  const measure = async (storage: Storage): Promise<OneRound> => {
    // A new one each time: what is left of the round before would be in the way.
    await using index = await startIndex(workspace, storage);
    await using crowd = new Crowd(index.port);
    await crowd.join(base);
    const asked = startLoad(workspace, {
      ...asking,
      server: index,
      file: questions,
      seconds: 600,
      warmSeconds: 0.2,
    });
    await using registered = await bulk(workspace, { port: index.port, file: registration });
    asked.stop();
    const queries = await asked.result();
    return { filesPerSecond: files / registered.seconds, queries, memory: index.memory };
  };
  const all = await rounds(
    workspace,
    "register",
    async () => ({ memory: await measure("memory"), disk: await measure("disk") }),
    1,
  );
  const of = (storage: Storage): Round<OneRound>[] =>
    all.map((each) => ({ ...each, value: each.value[storage] }));
  const row = (storage: Storage) => {
    const own = of(storage);
    return [
      ...[
        storage,
        rates(own, (value) => value.filesPerSecond),
        milliseconds(own, ({ queries }) => queries.p50Us),
      ],
      ...[
        milliseconds(own, ({ queries }) => queries.p99Us),
        milliseconds(own, ({ queries }) => queries.maxUs),
      ],
      ...[spreadOf(own, 0, ({ memory }) => memory.all), spreadOf(own, 0, ({ memory }) => memory.anonymous)],
    ];
  };
  const checks = (["memory", "disk"] as const).flatMap((storage) => [
    target(
      `REGISTER, ${storage}`,
      { atLeast: storage === "memory" ? 80_000 : 50_000 },
      "files/s",
      of(storage),
      (value) => value.filesPerSecond,
    ),
    target(
      `QUERY p99 meanwhile, ${storage}`,
      { atMost: 10 },
      "ms",
      of(storage),
      ({ queries }) => queries.p99Us / 1000,
    ),
    target(
      `longest QUERY meanwhile, ${storage}`,
      { atMost: 50 },
      "ms",
      of(storage),
      ({ queries }) => queries.maxUs / 1000,
    ),
  ]);
  const head = [
    "database",
    "files/s",
    "QUERY p50, ms",
    "p99, ms",
    "longest, ms",
    "resident MB afterwards",
    "of it anonymous",
  ];
  return {
    title: `REGISTER: ${thousands(files)} files by one peer, while others ask`,
    paragraphs: [
      `The files are new to an index that has ${thousands(base.peers * base.filesPerPeer)} of other peers; ${asking.connections} others ask ${thousands(asking.rate)} times a second in all. Times are from when a question was due. Rounds: ${roundsText(all)}.`,
      markdownTable(head, [row("memory"), row("disk")]),
      checksTable(checks),
    ],
  };
}
