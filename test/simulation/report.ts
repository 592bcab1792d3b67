/**
 * How a flash crowd fares in the simulation, against what the lines allow at best: `bun test/simulation/report.ts`.
 *
 *     bun test/simulation/report.ts 8 64        so many downloaders only (8, 64 and 1,000 otherwise)
 */

import { runSwarm } from "./swarm.ts";
import { flashCrowd, type SwarmPlan } from "./swarm-plan.ts";

export interface CrowdFigures {
  seconds: number;
  /** Time of the last one against the fluid bound. */
  ratio: number;
  /** What the seed sent against the file. */
  seedFiles: number;
  duplicates: number;
  refusals: number;
  events: number;
}

/** With equal lines the bound is the file through one line. */
export function measureCrowd(
  downloaders: number,
  latencyMs: number,
  different: Partial<SwarmPlan> = {},
): CrowdFigures {
  const plan = flashCrowd(downloaders, latencyMs, different);
  const fileBytes = plan.chunks * 1024 * 1024;
  const report = runSwarm(plan);
  return {
    seconds: report.endMs / 1000,
    ratio: report.endMs / (fileBytes / plan.peers[0]!.upBytesPerMs),
    seedFiles: report.peers[0]!.sentBytes / fileBytes,
    duplicates: report.duplicates,
    refusals: report.refusals,
    events: report.events,
  };
}

if (import.meta.main) {
  const wanted = process.argv.slice(2).map(Number);
  const lines = ["downloaders  latency   last one  / bound  seed sent  duplicates  BUSY    events  took"];
  for (const downloaders of wanted.length > 0 ? wanted : [8, 64, 1_000]) {
    for (const latencyMs of [1, 20]) {
      const startMs = performance.now();
      const figures = measureCrowd(downloaders, latencyMs, { tickMs: downloaders > 100 ? 1 : 0 });
      lines.push(
        [
          `${downloaders}`.padStart(11),
          `${latencyMs} ms`.padStart(8),
          `${figures.seconds.toFixed(2)} s`.padStart(10),
          figures.ratio.toFixed(3).padStart(8),
          `${figures.seedFiles.toFixed(2)} F`.padStart(10),
          `${figures.duplicates}`.padStart(11),
          `${figures.refusals}`.padStart(5),
          `${figures.events}`.padStart(9),
          `${((performance.now() - startMs) / 1000).toFixed(1)} s`,
        ].join(" "),
      );
      process.stdout.write(`${lines.splice(0).join("\n")}\n`);
    }
  }
}
