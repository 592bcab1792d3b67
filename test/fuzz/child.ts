/**
 * A process of `bun run test:fuzz`: fuzzes one target until its time is over, and says of each round how many inputs
 * there were and what was found, a line of JSON each. The input that is being tried lies in a file, for the case that
 * this process never gets to say anything about it.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { keep } from "./corpus.ts";
import { fuzz } from "./engine.ts";
import { targets } from "./targets.ts";

/** Of one round: about a second. */
const inputsPerRound = 4_000;

export interface RoundReport {
  round: number;
  tried: number;
  findings: { problem: string; path: string }[];
}

const [name, seed, seconds, currentPath = ""] = process.argv.slice(2);
const target = targets.find((each) => each.name === name);
if (target === undefined) throw new Error(`there is no target ${name}`);

const current = openSync(currentPath, "w");
const endsMs = performance.now() + Number(seconds) * 1000;
let isFine = true;
for (let round = 0; isFine && (round === 0 || performance.now() < endsMs); round++) {
  const { tried, findings } = await fuzz(target, {
    seed: Number(seed),
    number: round,
    inputs: Math.min(inputsPerRound, 10 * target.inCheck),
    onInput: (input) => {
      const bytes = Buffer.concat([lengthOf(input), input]);
      // Without the length Bun takes no notice of the place.
      writeSync(current, bytes, 0, bytes.length, 0);
    },
  });
  // More of the same says nothing more.
  isFine = findings.length === 0;
  const kept = findings.map(({ problem, input }) => ({ problem, path: keep(target.name, input) }));
  process.stdout.write(`${JSON.stringify({ round, tried, findings: kept } satisfies RoundReport)}\n`);
}
closeSync(current);

function lengthOf(input: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(input.length);
  return length;
}
