/** A large database that is opened when nothing of it is in memory, and its peers, who come back. */
import { join } from "node:path";
import { sourcesOf } from "./ask.ts";
import { plantedNames, type Shape } from "./catalogue.ts";
import { Crowd } from "./crowd.ts";
import { returnLine } from "./digest.ts";
import { startLoad } from "./load-client.ts";
import { startIndex } from "./servers.ts";
import type { Workspace } from "./workspace.ts";

/** Seconds from the start of the process. */
export interface ColdStart {
  listening: number;
  firstAnswer: number;
  /** All peers were back, without sending their lists; undefined when the index has forgotten them. */
  whole: number | undefined;
  /** The first second with half the warm rate; undefined when there was none. */
  halfOfWarm: number | undefined;
  /** The rate of each second since the peers were back. */
  rates: number[];
}

/** A minute is more than anybody should have to wait. */
const askedSeconds = 40;

/** `folder` has the database of an index that has ended; `warmRate` is what that one answered with `queries`. */
export async function coldStart(
  workspace: Workspace,
  given: { folder: string; shape: Shape; digests: readonly string[]; queries: string; warmRate: number },
): Promise<ColdStart> {
  forgetFiles(given.folder);
  const startedMs = performance.now();
  const sinceStart = () => (performance.now() - startedMs) / 1000;
  await using index = await startIndex(workspace, "disk", { folder: given.folder });
  const listening = sinceStart();
  await sourcesOf(index.port, plantedNames(0, 1)[0]!);
  const firstAnswer = sinceStart();
  await using crowd = new Crowd(index.port);
  if (!(await comeBack(crowd, given.shape, given.digests))) {
    return { listening, firstAnswer, whole: undefined, halfOfWarm: undefined, rates: [] };
  }
  const whole = sinceStart();
  const options = { server: index, file: given.queries, connections: 50, warmSeconds: 0 };
  const asked = startLoad(workspace, {
    ...options,
    seconds: askedSeconds * Math.min(1, workspace.settings.scale * 10),
  });
  const { eachSecond } = await asked.result();
  const half = eachSecond.findIndex((answers) => answers >= given.warmRate / 2);
  const halfOfWarm = half === -1 ? undefined : whole + half;
  return { listening, firstAnswer, whole, halfOfWarm, rates: eachSecond };
}

/** Whether the index still held what each of them has. */
async function comeBack(
  crowd: Crowd,
  { peers, filesPerPeer }: Shape,
  digests: readonly string[],
): Promise<boolean> {
  let held = true;
  // One first: an index that has forgotten it has forgotten all.
  for (const [from, count] of [
    [0, 1],
    [1, peers - 1],
  ] as const) {
    await crowd.add(
      count,
      (at, port) => [returnLine(port, digests[from + at]!, filesPerPeer)],
      (answer) => {
        held &&= answer.held === true;
      },
    );
    if (!held) return false;
  }
  return true;
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

export function describeColdStart(start: ColdStart, warmRate: number): string {
  const seconds = (value: number) => `${value.toFixed(1)} s`;
  const begin = `After a start with nothing of the database in memory the index listened after ${seconds(start.listening)} and answered after ${seconds(start.firstAnswer)}`;
  if (start.whole === undefined)
    return `${begin}; it does not hold what its peers had: they would send all of it again.`;
  const half = start.halfOfWarm === undefined ? "not reached" : `reached after ${seconds(start.halfOfWarm)}`;
  const series = start.rates
    .slice(0, 12)
    .map((rate) => Math.round(rate / 100) / 10)
    .join(", ");
  return `${begin}; its peers were back after ${seconds(start.whole)}; half of the warm rate of ${Math.round(warmRate)} a second was ${half}. Thousands of answers in the seconds since: ${series}.`;
}
