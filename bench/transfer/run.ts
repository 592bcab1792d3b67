/**
 * `bun run bench:transfer [-- EXPERIMENT …] [--runs N] [--size SIZE] [--files N] [--programs p2p,curl] [--write]`:
 * p2p side by side with what else moves files. Each experiment's tables go to stdout and to bench/results/transfer/;
 * `-- report` prints what is there, `--write` puts it into docs/BENCHMARKS.md. A missed target is no failure.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { binaryPath, projectVersion } from "../../scripts/project.ts";
import { requireBinary } from "../../test/helpers/sandbox.ts";
import { machine } from "../measure.ts";
import { resultsFolder, savedReport, writeIntoDocument } from "./document.ts";
import { encrypted, oneSource, ordered, threeSources } from "./experiments-bulk.ts";
import { connections } from "./experiments-connections.ts";
import { flashCrowd, openCrowd } from "./experiments-crowd.ts";
import { growth } from "./experiments-growth.ts";
import { manyFiles, tinyFile } from "./experiments-small.ts";
import { cpuSplit } from "./experiments-split.ts";
import { insideNamespace, runInsideNamespace, setUpNamespace } from "./namespace.ts";
import { findFeatures } from "./p2p-features.ts";
import { parseSize } from "./payload.ts";
import { endAllProcesses } from "./processes.ts";
import { whatIsMissing } from "./programs.ts";
import { markdown, type Section } from "./report.ts";
import { type Settings, Workspace } from "./workspace.ts";

/** In the order of the document. */
const experiments: Record<string, (workspace: Workspace) => Promise<Section>> = {
  one: oneSource,
  three: threeSources,
  flash: flashCrowd,
  crowd: openCrowd,
  many: manyFiles,
  tiny: tinyFile,
  ordered,
  encrypted,
  split: cpuSplit,
  connections,
  growth,
};

await main();

async function main(): Promise<void> {
  const asked = tryParse();
  if (asked === undefined) {
    console.error(
      `usage: bun run bench:transfer [-- ${Object.keys(experiments).join(" | ")} | report] [--runs N] ` +
        "[--size 2G] [--files N] [--programs p2p,curl] [--binary PATH] [--write]",
    );
    process.exitCode = 2;
    return;
  }
  try {
    if (!asked.onlyReport) await measure(asked);
    if (process.exitCode === undefined || process.exitCode === 0) finish(asked);
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

interface Asked {
  names: string[];
  onlyReport: boolean;
  write: boolean;
  settings: Settings;
}

function tryParse(): Asked | undefined {
  try {
    return parseCommandLine();
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function parseCommandLine(): Asked | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: "string", default: "5" },
      size: { type: "string" },
      files: { type: "string", default: "2000" },
      programs: { type: "string", default: "" },
      binary: { type: "string", default: "" },
      write: { type: "boolean", default: false },
    },
  });
  const onlyReport = positionals.includes("report");
  const names =
    positionals.length === 0 ? Object.keys(experiments) : positionals.filter((each) => each !== "report");
  const sizeBytes = values.size === undefined ? undefined : parseSize(values.size);
  const settings: Settings = {
    runs: Number(values.runs),
    sizeBytes,
    files: Number(values.files),
    programs: values.programs.split(",").filter((each) => each !== ""),
    binary: values.binary,
  };
  const wrong =
    names.some((each) => !(each in experiments)) ||
    !(settings.runs >= 1) ||
    !(settings.files >= 1) ||
    (values.size !== undefined && !((sizeBytes ?? 0) >= 1));
  return wrong ? undefined : { names, onlyReport, write: values.write, settings };
}

/** The outer process only makes the namespace and waits. */
async function measure({ names, settings }: Asked): Promise<void> {
  if (process.platform !== "linux") throw new Error("this benchmark needs Linux: namespaces and /proc");
  if (!insideNamespace()) {
    process.exitCode = await runInsideNamespace();
    return;
  }
  if (settings.binary === "") settings.binary = requireBinary();
  setUpNamespace();
  await using workspace = new Workspace(settings);
  endOnSignals(workspace);
  await findFeatures(workspace);
  mkdirSync(resultsFolder, { recursive: true });
  for (const name of names) {
    console.error(`${name} …`);
    const section = await experiments[name]!(workspace);
    section.paragraphs.unshift(conditions(settings));
    const text = markdown(section);
    writeFileSync(`${resultsFolder}/${name}.md`, `${text}\n`);
    console.log(`${text}\n`);
  }
}

function conditions({ runs, binary }: Settings): string {
  const build = binary === binaryPath ? `p2p ${projectVersion()}` : `p2p at ${binary}`;
  const day = new Date().toISOString().slice(0, 10);
  const said = [
    `${build}, ${day}, ${runs === 1 ? "one run each" : `medians of ${runs} runs (range in brackets)`}; ${machine()}.`,
  ];
  const missing = whatIsMissing();
  if (missing !== undefined) said.push(missing);
  return said.join(" ");
}

/** Ctrl-C leaves neither a process nor a file. */
function endOnSignals(workspace: Workspace): void {
  let ending = false;
  const end = async (code: number) => {
    if (ending) return;
    ending = true;
    await endAllProcesses();
    rmSync(workspace.folder, { recursive: true, force: true });
    process.exit(code);
  };
  process.on("SIGINT", () => void end(130));
  process.on("SIGTERM", () => void end(143));
}

function finish({ write, names }: Asked): void {
  // Inside, the outer process does it: once.
  if (insideNamespace()) return;
  if (write) writeIntoDocument(Object.keys(experiments));
  else if (names.length === 0) console.log(savedReport(Object.keys(experiments)));
}
