/**
 * `bun run test:fuzz [-- --seconds N --seed S --target T]`: mutated inputs for every decoder (test/fuzz), for as long as
 * is wanted, all targets in turn. What fails is kept in test/fuzz/corpus, where `bun run check` finds it, and the same
 * seed finds it again. An input that a target never gets done with, or dies of, is found by watching it from here.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { RoundReport } from "../test/fuzz/child.ts";
import { keep } from "../test/fuzz/corpus.ts";
import { targets } from "../test/fuzz/targets.ts";
import { projectFolder } from "./project.ts";

/** A thousand times what an input may take. */
const hangMs = 60_000;

interface Sum {
  tried: number;
  rounds: number;
  findings: { problem: string; path: string }[];
}

async function fuzzTarget(name: string, seed: number, seconds: number, currentPath: string): Promise<Sum> {
  const argv = [process.execPath, "test/fuzz/child.ts", name, String(seed), String(seconds), currentPath];
  const child = Bun.spawn(argv, { cwd: projectFolder, stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  children.add(child);
  let isHanging = false;
  const watching = setInterval(() => {
    const silentMs = Date.now() - (statSync(currentPath, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (silentMs < hangMs) return;
    isHanging = true;
    child.kill("SIGKILL");
  }, 1_000);
  const text = await new Response(child.stdout).text();
  const code = await child.exited;
  clearInterval(watching);
  children.delete(child);
  const reports = text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as RoundReport]));
  const sum: Sum = {
    tried: reports.reduce((all, { tried }) => all + tried, 0),
    rounds: reports.length,
    findings: reports.flatMap(({ findings }) => findings),
  };
  if (code !== 0 && !interrupted) {
    const problem = isHanging
      ? `an input takes more than ${hangMs / 1000} s`
      : `the process ended with ${code}`;
    sum.findings.push({ problem, path: keep(name, currentInput(currentPath)) });
  }
  return sum;
}

function currentInput(path: string): Uint8Array {
  const bytes = readFileSync(path);
  return bytes.subarray(4, 4 + (bytes.length < 4 ? 0 : bytes.readUInt32LE()));
}

const { values } = parseArgs({
  options: {
    seconds: { type: "string" },
    seed: { type: "string" },
    target: { type: "string", multiple: true },
  },
});
const names = targets.map(({ name }) => name);
const wanted = values.target ?? names;
const unknown = wanted.find((name) => !names.includes(name));
if (unknown !== undefined) throw new Error(`there is no target ${unknown}; these are: ${names.join(", ")}`);
const seconds = Number(values.seconds ?? 600);
const seed = Number(values.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]);

const children = new Set<Bun.Subprocess>();
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    interrupted = true;
    for (const child of children) child.kill();
  });
}

const folder = mkdtempSync(join(tmpdir(), "p2p-fuzz-"));
let tried = 0;
let found = 0;
try {
  console.log(`seed ${seed}, ${seconds} s for ${wanted.length} targets`);
  for (const name of wanted) {
    if (interrupted) break;
    const sum = await fuzzTarget(name, seed, seconds / wanted.length, join(folder, name));
    tried += sum.tried;
    found += sum.findings.length;
    console.log(
      `${name}: ${sum.tried.toLocaleString("en")} inputs in ${sum.rounds} rounds, ${sum.findings.length} failed`,
    );
    for (const { problem, path } of sum.findings)
      console.log(`  ${problem}\n  kept as ${path} (--seed ${seed} --target ${name})`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${tried.toLocaleString("en")} inputs, ${found} failed`);
process.exitCode = found > 0 ? 1 : interrupted ? 130 : 0;
