/** The same index over PostgreSQL: one process, and two that share it. */
import { checksTable, type Section } from "../transfer/report.ts";
import { checkPlanted } from "./ask.ts";
import type { Shape } from "./catalogue.ts";
import { Crowd } from "./crowd.ts";
import { bulk, type LoadResult, load } from "./load-client.ts";
import { Postgres } from "./postgres.ts";
import { writePlantedQueries, writePopularQueries, writeRegistration } from "./requests.ts";
import { type Round, rounds, roundsText } from "./rounds.ts";
import { type Server, startIndex } from "./servers.ts";
import { markdownTable, milliseconds, plainTarget, rates, target, thousands } from "./tables.ts";
import type { Workspace } from "./workspace.ts";

interface OneRound {
  one: LoadResult;
  popular: LoadResult;
  /** One load on each process at the same time. */
  two: [LoadResult, LoadResult];
}

const title = "PostgreSQL";

export async function postgres(workspace: Workspace): Promise<Section> {
  const lacking = workspace.serveIndexHelp.includes("postgres")
    ? Postgres.whatIsMissing()
    : "`--db postgres://…` is not in this build";
  if (lacking !== undefined) return { title, paragraphs: [`Skipped: ${lacking}.`] };
  const shape: Shape = { peers: workspace.scaled(700), filesPerPeer: 1_000 };
  const files = workspace.scaled(300_000);
  const [single, popular, registration] = [
    workspace.path("single"),
    workspace.path("popular"),
    workspace.path("registration"),
  ];
  writePlantedQueries(single, shape, 1);
  writePopularQueries(popular, shape);
  writeRegistration(registration, 60_000, 0, files);
  await using database = await Postgres.start(workspace);
  await using first = await startIndex(workspace, "disk", { database: database.url });
  await using second = await startIndex(workspace, "disk", { database: database.url });
  await using crowd = new Crowd(first.port);
  const joined = await crowd.join(shape);
  await checkPlanted(first.port, shape);
  await checkPlanted(second.port, shape);
  await using registered = await bulk(workspace, { port: first.port, file: registration });
  const connections = 50;
  const all = await rounds(workspace, "postgres", async (): Promise<OneRound> => {
    const at = (server: Server, file = single) => load(workspace, { server, file, connections });
    return {
      one: await at(first),
      popular: await at(first, popular),
      two: await Promise.all([at(first), at(second)]),
    };
  });
  const byOne = files / registered.seconds;
  return section(shape, { byCrowd: (shape.peers * shape.filesPerPeer) / joined, byOne, files }, all);
}

function section(
  shape: Shape,
  registered: { byCrowd: number; byOne: number; files: number },
  all: Round<OneRound>[],
): Section {
  const both = ({ two }: OneRound) => two[0].rate + two[1].rate;
  const row = (name: string, figure: (value: OneRound) => LoadResult) => [
    ...[name, rates(all, (value) => figure(value).rate), milliseconds(all, (value) => figure(value).p50Us)],
    milliseconds(all, (value) => figure(value).p99Us),
  ];
  const rows = [
    row("QUERY, one source: one process", ({ one }) => one),
    row("QUERY, popular names: one process", ({ popular }) => popular),
    [
      "QUERY, one source: two processes",
      rates(all, both),
      "",
      milliseconds(all, ({ two }) => Math.max(two[0].p99Us, two[1].p99Us)),
    ],
  ];
  const { byCrowd, byOne } = registered;
  return {
    title: `${title}: ${thousands(shape.peers * shape.filesPerPeer + registered.files)} holdings, shared by index processes`,
    paragraphs: [
      `PostgreSQL 15 on the same machine; 50 connections to each process. ${thousands(shape.peers)} peers registered at ${thousands(byCrowd)} files a second, one peer with ${thousands(registered.files)} files at ${thousands(byOne)}. What one process knows the other answered as well. Rounds: ${roundsText(all)}.`,
      markdownTable(["request", "a second", "p50, ms", "p99, ms"], rows),
      checksTable([
        plainTarget("REGISTER, PostgreSQL", { atLeast: 30_000 }, "files/s", byOne, thousands(byOne)),
        target("QUERY, one process", { atLeast: 20_000 }, "a second", all, ({ one }) => one.rate),
        target("QUERY, two processes", { atLeast: 35_000 }, "a second", all, both),
      ]),
    ],
  };
}
