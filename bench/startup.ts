/** How long the program takes to say something: the floor under every other command. */
import { Sandbox } from "../test/helpers/sandbox.ts";
import { type BenchOptions, makeFile, median, memoryFolder, quiet, type Row, spread } from "./measure.ts";

/** Short runs are noisy, so there are more of them. */
const runsPerOption = 4;

export async function benchStartup(options: BenchOptions): Promise<Row[]> {
  await using box = new Sandbox({ parent: memoryFolder });
  const index = await box.index();
  const shared = box.newFolder("shared");
  makeFile(`${shared}/small.bin`, 1024);
  await box.peer(index, shared);

  const versionMs: number[] = [];
  const queryMs: number[] = [];
  await quiet();
  for (let run = -1; run < options.runs * runsPerOption; run++) {
    const version = await timed(box, ["--version"]);
    const query = await timed(box, ["query", "small.bin", "--index", index.address, "--quiet"]);
    if (run < 0) continue;
    versionMs.push(version);
    queryMs.push(query);
  }
  return [
    row("`p2p --version`, whole command", 50, versionMs),
    row("`p2p query` of 1 KiB, whole command", 120, queryMs),
  ];
}

async function timed(box: Sandbox, argv: string[]): Promise<number> {
  const startedMs = performance.now();
  const process = box.start(argv);
  await process.exit();
  const tookMs = performance.now() - startedMs;
  if (process.exitCode !== 0) throw new Error(process.said());
  return tookMs;
}

function row(figure: string, targetMs: number, values: number[]): Row {
  const value = median(values);
  const ratio = (value / targetMs).toFixed(2);
  return {
    figure,
    target: `at most ${targetMs} ms`,
    measured: spread(values, 0, " ms"),
    ratio,
    met: value <= targetMs,
  };
}
