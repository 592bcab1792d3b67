/** A large database that is opened when nothing of it is in memory, and its peers, who come back. */
import { join } from "node:path";
import { IndexClient } from "../../src/net/index-client.ts";
import { openNetwork } from "../../src/trust/network.ts";
import { sourcesOf } from "./ask.ts";
import { Chance, plantedNames, type Shape } from "./catalogue.ts";
import { Crowd } from "./crowd.ts";
import { returnLine } from "./digest.ts";
import { startLoad } from "./load-client.ts";
import { startIndex } from "./servers.ts";
import type { Workspace } from "./workspace.ts";

/** Seconds from the start of the process. */
export interface ColdStart {
  listening: number;
  firstAnswer: number;
  /** All peers were back, without sending their lists. */
  whole: number;
  /** The first second with half the warm rate; undefined when there was none. */
  halfOfWarm: number | undefined;
  /** The rate of each second since the peers were back. */
  rates: number[];
  /** Who watches has heard of a file of the peer that came back last; undefined when nobody watches. */
  heard: number | undefined;
}

/** Longer than anybody should have to wait. */
const askedSeconds = 40;
const heardTimeoutSeconds = 300;

export interface ColdStartOptions {
  /** Has the database of an index that has ended. */
  folder: string;
  shape: Shape;
  digests: readonly string[];
  queries: string;
  /** What that index answered with `queries`. */
  warmRate: number;
  isWatched?: boolean;
}

export async function coldStart(workspace: Workspace, options: ColdStartOptions): Promise<ColdStart> {
  const { folder, shape, queries, warmRate } = options;
  forgetFiles(folder);
  const startedMs = performance.now();
  const sinceStart = () => (performance.now() - startedMs) / 1000;
  await using index = await startIndex(workspace, "disk", { folder });
  const listening = sinceStart();
  await sourcesOf(index.port, plantedNames(0, 1)[0]!);
  const firstAnswer = sinceStart();
  const order = inAnyOrder(shape.peers);
  const lastName = plantedNames(order.at(-1)!, 1)[0]!;
  using watch = options.isWatched === true ? await watching(index.port, lastName) : undefined;
  await using crowd = new Crowd(index.port);
  await comeBack(crowd, options, order);
  const whole = sinceStart();
  const asked = startLoad(workspace, {
    ...{ server: index, file: queries, connections: 50, warmSeconds: 0 },
    seconds: askedSeconds * Math.min(1, workspace.settings.scale * 10),
  });
  await watch?.heard;
  const heard = watch && sinceStart();
  const { eachSecond } = await asked.result();
  const half = eachSecond.findIndex((answers) => answers >= warmRate / 2);
  // That second is over when it is known.
  const halfOfWarm = half === -1 ? undefined : whole + half + 1;
  await index.end();
  return { listening, firstAnswer, whole, halfOfWarm, rates: eachSecond, heard };
}

async function comeBack(
  crowd: Crowd,
  { shape, digests }: ColdStartOptions,
  order: readonly number[],
): Promise<void> {
  const line = (at: number, port: number) => returnLine(port, digests[order[at]!]!, shape.filesPerPeer);
  await crowd.add(
    shape.peers,
    (at, port) => [line(at, port)],
    ({ held }) => {
      if (held !== true) throw new Error("the index does not hold any more what one of its peers has");
    },
  );
}

function inAnyOrder(count: number): number[] {
  const chance = new Chance(count, 31);
  return Array.from({ length: count }, (_, at) => ({ at, by: chance.share() }))
    .sort((a, b) => a.by - b.by)
    .map(({ at }) => at);
}

/** `heard` resolves once the index has told of such a file. */
async function watching(port: number, name: string): Promise<Disposable & { heard: Promise<void> }> {
  const client = await IndexClient.open(openNetwork([{ host: "127.0.0.1", port }]));
  client.keep(() => {});
  const watch = await client.watch(`"${name.replaceAll("-", " ")}"`);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const seconds = heardTimeoutSeconds;
  const timer = setTimeout(() => reject(new Error(`a watch heard nothing in ${seconds} s`)), seconds * 1000);
  watch.listen((matches) => {
    if (matches.some((match) => match.name === name)) resolve();
  });
  const close = () => {
    clearTimeout(timer);
    client.close();
  };
  return { heard: promise, [Symbol.dispose]: close };
}

/** Has the kernel write these files and drop them from its cache; other programs' files stay there. */
function forgetFiles(folder: string): void {
  for (const path of new Bun.Glob("**/*").scanSync({ cwd: folder, dot: true })) {
    const argv = [
      "dd",
      `of=${join(folder, path)}`,
      "oflag=nocache",
      "conv=notrunc,fdatasync",
      "count=0",
      "status=none",
    ];
    const { exitCode, stderr } = Bun.spawnSync(argv, { stdin: "ignore" });
    if (exitCode !== 0) throw new Error(`cannot drop the cache of ${path}: ${stderr.toString().trim()}`);
  }
}

export function describeColdStart(start: ColdStart): string {
  const seconds = (value: number) => `${value.toFixed(1)} s`;
  const half = start.halfOfWarm === undefined ? "not reached" : `reached after ${seconds(start.halfOfWarm)}`;
  const thousandsOf = (rate: number) => Math.round(rate / 100) / 10;
  const series = start.rates.slice(0, 12).map(thousandsOf).join(", ");
  const heard =
    start.heard === undefined
      ? ""
      : `; who watches for a file of the last one was told of it after ${seconds(start.heard)}`;
  return `the index listened after ${seconds(start.listening)} and answered after ${seconds(start.firstAnswer)}; its peers were back after ${seconds(start.whole)}${heard}; half of the warm rate was ${half}. Thousands of answers in the seconds since: ${series}.`;
}
