/**
 * `bun run bench [-- NAME …] [--runs N] [--gib N]`: measures the built binary and prints one table, in the form that
 * docs/BENCHMARKS.md has. Nothing here is a test: a missed target is a line in the table, not a failure.
 */
import { parseArgs } from "node:util";
import { projectVersion } from "../scripts/project.ts";
import { requireBinary } from "../test/helpers/sandbox.ts";
import { benchHashing } from "./hashing.ts";
import { type BenchOptions, disturbance, machine, type Row, table } from "./measure.ts";
import { benchMemory } from "./memory.ts";
import { benchStartup } from "./startup.ts";
import { benchTransfer } from "./transfer.ts";

const benchmarks: Record<string, (options: BenchOptions) => Promise<Row[]>> = {
  startup: benchStartup,
  transfer: benchTransfer,
  hashing: benchHashing,
  memory: benchMemory,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: "string", default: "5" }, gib: { type: "string", default: "1" } },
});
const options: BenchOptions = { runs: Number(values.runs), transferGib: Number(values.gib) };
const wanted = positionals.length === 0 ? Object.keys(benchmarks) : positionals;
const unknown = wanted.filter((name) => !(name in benchmarks));

if (process.platform !== "linux") {
  console.error("error: the benchmarks read /proc and need Linux");
  process.exitCode = 1;
} else if (unknown.length > 0 || !(options.runs >= 1) || !(options.transferGib > 0)) {
  console.error(`usage: bun run bench [-- ${Object.keys(benchmarks).join(" | ")}] [--runs N] [--gib N]`);
  process.exitCode = 2;
} else {
  try {
    await measure();
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

async function measure(): Promise<void> {
  requireBinary();
  console.log(`p2p ${projectVersion()}, Bun ${Bun.version}; ${machine()}.`);
  console.log(`Medians of ${options.runs} runs each (range in brackets), programs in turn.\n`);
  const rows: Row[] = [];
  for (const name of wanted) {
    console.error(`running ${name} …`);
    rows.push(...((await benchmarks[name]?.(options)) ?? []));
  }
  console.log(table(rows));
  const doubt = disturbance();
  if (doubt !== undefined) console.log(`\n${doubt}`);
}
