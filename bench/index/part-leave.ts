/** A peer with 100,000 files is gone: who is still told of it, and what others feel while its rows go. */
import { checksTable, type Section } from "../transfer/report.ts";
import { uniqueFile } from "./catalogue.ts";
import { Crowd, CrowdPeer } from "./crowd.ts";
import { firstLine, type LoadResult, startLoad } from "./load-client.ts";
import { asking } from "./part-register.ts";
import { hello, queryLine, registerLine, writePlantedQueries, writeRegistration } from "./requests.ts";
import { type Round, rounds, roundsText, spreadOf } from "./rounds.ts";
import { startIndex } from "./servers.ts";
import { markdownTable, milliseconds, plainTarget, target, thousands } from "./tables.ts";
import type { Storage, Workspace } from "./workspace.ts";

interface Parting {
  /** Answers that named it before. */
  before: number;
  /** From its leaving until the index closed its side; -1 when it did not. */
  knownUs: number;
  /** From its leaving until the last answer that named it. */
  lastSeenUs: number;
  askedAfter: number;
  /** Answers with it to questions of a millisecond after the index knew, or later. */
  late: number;
}

interface OneRound {
  parting: Parting;
  queries: LoadResult;
}

const leavingPort = 60_000;
/** Rows may be kept for a while, for one who comes back; they must go when it does with nothing. */
const returnAfterMs = 2_500;
const watchedSeconds = 8;

export async function leave(workspace: Workspace): Promise<Section> {
  const files = workspace.scaled(100_000);
  const base = { peers: workspace.scaled(100), filesPerPeer: 1_000 };
  const [registration, questions] = [workspace.path("registration"), workspace.path("questions")];
  writeRegistration(registration, leavingPort, 0, files);
  writePlantedQueries(questions, base, 1);
  const measure = async (storage: Storage): Promise<OneRound> => {
    await using index = await startIndex(workspace, storage);
    await using crowd = new Crowd(index.port);
    await crowd.join(base);
    const query = queryLine(uniqueFile(Math.floor(files / 2)).name).trim();
    const told = [`query=${query}`, `mark="port":${leavingPort}`, `hello=${hello}`];
    const argv = [workspace.loadClient, "leave", `port=${index.port}`, `file=${registration}`, ...told];
    const leaving = workspace.start(argv, { stdin: "open" });
    await firstLine(leaving, 120_000);
    const asked = startLoad(workspace, {
      ...asking,
      server: index,
      file: questions,
      seconds: watchedSeconds,
    });
    leaving.process.write("\n");
    await Bun.sleep(returnAfterMs);
    const returned = await CrowdPeer.open(index.port);
    await returned.request(registerLine(leavingPort, []));
    const queries = await asked.result();
    returned.close();
    if ((await leaving.process.exit(60_000)) !== 0)
      throw new Error(`the leaving peer failed: ${leaving.process.stderr.trim()}`);
    const parting = JSON.parse(leaving.process.stdout.trim().split("\n").at(-1)!) as Parting;
    if (parting.before === 0) throw new Error("the peer was in no answer before it left");
    return { parting, queries };
  };
  const all = await rounds(
    workspace,
    "leave",
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
        milliseconds(own, ({ parting }) => parting.knownUs),
        milliseconds(own, ({ parting }) => parting.lastSeenUs),
      ],
      ...[
        spreadOf(own, 0, ({ parting }) => parting.late),
        spreadOf(own, 0, ({ parting }) => parting.askedAfter),
      ],
      ...[
        milliseconds(own, ({ queries }) => queries.p99Us),
        milliseconds(own, ({ queries }) => queries.maxUs),
      ],
    ];
  };
  const partings = all.flatMap(({ value }) => [value.memory.parting, value.disk.parting]);
  // One is too many, in whichever round.
  const late = partings.some(({ askedAfter }) => askedAfter === 0)
    ? undefined
    : partings.reduce((sum, parting) => sum + parting.late, 0);
  const checks = [
    plainTarget("answers with it, 1 ms after the index knew", { atMost: 0 }, "", late, String(late)),
    ...(["memory", "disk"] as const).map((storage) =>
      target(
        `QUERY p99 while its rows go, ${storage}`,
        { atMost: 10 },
        "ms",
        of(storage),
        ({ queries }) => queries.p99Us / 1000,
      ),
    ),
  ];
  const head = [
    "database",
    "index knew, ms",
    "last answer with it, ms",
    "too late",
    "asked after",
    "QUERY p99, ms",
    "longest, ms",
  ];
  return {
    title: `A peer with ${thousands(files)} files is gone`,
    paragraphs: [
      `It closes its side; the index knows when it closes the other. Meanwhile one client asks for a file of it without a pause, and ${asking.connections} others ask ${thousands(asking.rate)} times a second for files of peers that stay, for ${watchedSeconds} s; after ${returnAfterMs / 1000} s it comes back with nothing, so that its rows must go. Times from its leaving. Rounds: ${roundsText(all)}.`,
      markdownTable(head, [row("memory"), row("disk")]),
      checksTable(checks),
    ],
  };
}
