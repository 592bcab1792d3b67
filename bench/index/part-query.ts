/** QUERY beside redis and beside the first idea, with the same client, in the same rounds. */
import type { Section } from "../transfer/report.ts";
import { checksTable } from "../transfer/report.ts";
import { checkPlanted } from "./ask.ts";
import type { Shape } from "./catalogue.ts";
import { Crowd } from "./crowd.ts";
import { type LoadOptions, type LoadResult, load } from "./load-client.ts";
import { writePlantedQueries, writePopularQueries } from "./requests.ts";
import { medianOf, type Round, rounds, roundsText, spreadOf } from "./rounds.ts";
import {
  fillRedis,
  getLines,
  hgetallLines,
  type Server,
  startIndex,
  startNaive,
  startRedis,
} from "./servers.ts";
import { markdownTable, milliseconds, rates, target, thousands } from "./tables.ts";
import type { Workspace } from "./workspace.ts";

type Who = "p2p" | "get" | "hgetall";
type Mode = "50 connections" | "1 connection, 64 in flight" | "ping-pong on one core";

const modes: Record<Mode, Partial<LoadOptions>> = {
  "50 connections": { connections: 50 },
  "1 connection, 64 in flight": { depth: 64 },
  "ping-pong on one core": { core: 0 },
};
const modeNames = Object.keys(modes) as Mode[];

interface OneRound {
  by: Record<Mode, Record<Who, LoadResult>>;
  popular: LoadResult;
  popularPipelined: LoadResult;
  naive: LoadResult;
}

/** The first idea needs seconds for an answer. */
const naiveSeconds = 8;

export async function query(workspace: Workspace): Promise<Section> {
  const shape: Shape = { peers: workspace.scaled(1_000), filesPerPeer: 1_000 };
  const [single, popular] = [workspace.path("single"), workspace.path("popular")];
  writePlantedQueries(single, shape, 1);
  writePopularQueries(popular, shape);
  await using index = await startIndex(workspace, "memory");
  await using crowd = new Crowd(index.port);
  await crowd.join(shape);
  await checkPlanted(index.port, shape);
  await using redis = await startRedis(workspace);
  const keys = await fillRedis(workspace, redis);
  await using naive = await startNaive(workspace);
  await using naiveCrowd = new Crowd(naive.port);
  await naiveCrowd.join(shape);

  const atRedis = { hello: "", server: redis };
  const contenders: Record<Who, LoadOptions & { server: Server }> = {
    p2p: { server: index, file: single },
    get: { ...atRedis, file: keys.get, linesPerAnswer: getLines },
    hgetall: { ...atRedis, file: keys.hgetall, linesPerAnswer: hgetallLines },
  };
  const inMode = async (mode: Mode): Promise<Record<Who, LoadResult>> => {
    const results: Partial<Record<Who, LoadResult>> = {};
    for (const [who, options] of Object.entries(contenders)) {
      const { server } = options;
      const { core } = modes[mode];
      if (core !== undefined) server.pin(String(core));
      results[who as Who] = await load(workspace, { ...options, ...modes[mode] });
      if (core !== undefined) server.pin(allCores);
    }
    return results as Record<Who, LoadResult>;
  };
  const all = await rounds(workspace, "query", async (): Promise<OneRound> => {
    crowd.requireWhole();
    const by: Partial<OneRound["by"]> = {};
    for (const mode of modeNames) by[mode] = await inMode(mode);
    const asPeersAsk = { server: index, file: popular, connections: 50 };
    return {
      by: by as OneRound["by"],
      popular: await load(workspace, asPeersAsk),
      popularPipelined: await load(workspace, { ...asPeersAsk, depth: 16 }),
      naive: await load(workspace, {
        server: naive,
        file: single,
        connections: 50,
        seconds: Math.max(naiveSeconds * workspace.settings.scale, 1),
        warmSeconds: 0,
      }),
    };
  });
  return section(shape, all);
}

const allCores = `0-${navigator.hardwareConcurrency - 1}`;

function section({ peers, filesPerPeer }: Shape, all: Round<OneRound>[]): Section {
  const row = (name: string, figure: (value: OneRound) => LoadResult, ratio = "", other = "") => [
    ...[name, rates(all, (value) => figure(value).rate)],
    milliseconds(all, (value) => figure(value).p50Us),
    milliseconds(all, (value) => figure(value).p99Us),
    spreadOf(all, 1, (value) => figure(value).cpuUs),
    ratio,
    other,
  ];
  const ratioTo = (mode: Mode, who: Who) => (value: OneRound) =>
    value.by[mode].p2p.rate / value.by[mode][who].rate;
  const ratioText = (mode: Mode, who: Who) => medianOf(all, ratioTo(mode, who)).toFixed(2);
  const rows = modeNames.flatMap((mode) => [
    row(
      `p2p QUERY, one source: ${mode}`,
      (value) => value.by[mode].p2p,
      ratioText(mode, "get"),
      ratioText(mode, "hgetall"),
    ),
    row(`redis GET: ${mode}`, (value) => value.by[mode].get),
    row(`redis HGETALL: ${mode}`, (value) => value.by[mode].hgetall),
  ]);
  rows.push(row("p2p QUERY, popular names: 50 connections", ({ popular }) => popular));
  rows.push(row("the same, 16 in flight on each", ({ popularPipelined }) => popularPipelined));
  rows.push(row("a dictionary scanned under a lock: 50 connections", ({ naive }) => naive));
  const [fifty, pipelined, pingPong] = modeNames as [Mode, Mode, Mode];
  const checks = [
    target(`QUERY against GET, ${fifty}`, { atLeast: 0.55 }, "×", all, ratioTo(fifty, "get")),
    target(`QUERY against HGETALL, ${fifty}`, { atLeast: 0.8 }, "×", all, ratioTo(fifty, "hgetall")),
    target(`QUERY against GET, ${pipelined}`, { atLeast: 2 }, "×", all, ratioTo(pipelined, "get")),
    target(`QUERY against GET, ${pingPong}`, { atLeast: 1 }, "×", all, ratioTo(pingPong, "get")),
    target(`popular names, ${fifty}`, { atLeast: 45_000 }, "a second", all, ({ popular }) => popular.rate),
    target(`p99, ${fifty}`, { atMost: 5 }, "ms", all, ({ by }) => by[fifty].p2p.p99Us / 1000),
    target(
      "QUERY against the first idea",
      { atLeast: 5_000 },
      "×",
      all,
      ({ by, naive }) => by[fifty].p2p.rate / naive.rate,
    ),
  ];
  return {
    title: `QUERY: ${thousands(peers * filesPerPeer)} holdings in memory, beside redis and the first idea`,
    paragraphs: [
      `${thousands(peers)} peers with ${thousands(filesPerPeer)} files each. redis answers GET with 300 bytes and HGETALL with the 6 fields of a source. CPU is that of the server for each answer. Rounds: ${roundsText(all)}.`,
      markdownTable(["request", "a second", "p50, ms", "p99, ms", "CPU µs", "of GET", "of HGETALL"], rows),
      checksTable(checks),
    ],
  };
}
