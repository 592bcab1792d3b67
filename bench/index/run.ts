/**
 * `bun run bench:index [-- PART …] [--runs N] [--scale S] [--seconds N] [--binary PATH] [--write]`: the index under load,
 * beside what else answers look-ups. Each part's tables go to stdout and, unless scaled, to bench/results/index/;
 * `-- report` prints what is there, `--write` puts it into docs/BENCHMARKS.md. A missed target is no failure.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { binaryPath, projectVersion } from "../../scripts/project.ts";
import { requireBinary } from "../../test/helpers/sandbox.ts";
import { machine } from "../measure.ts";
import { endAllProcesses } from "../transfer/processes.ts";
import { markdown, type Section } from "../transfer/report.ts";
import { resultsFolder, savedReport, writeIntoDocument } from "./document.ts";
import { cold } from "./part-cold.ts";
import { disk } from "./part-disk.ts";
import { growth } from "./part-growth.ts";
import { idle } from "./part-idle.ts";
import { leave } from "./part-leave.ts";
import { postgres } from "./part-postgres.ts";
import { query } from "./part-query.ts";
import { register } from "./part-register.ts";
import { restart } from "./part-restart.ts";
import { search } from "./part-search.ts";
import { type Settings, Workspace } from "./workspace.ts";

/** In the order of the document. */
const parts: Record<string, (workspace: Workspace) => Promise<Section>> = {
  query,
  growth,
  cold,
  restart,
  register,
  leave,
  search,
  disk,
  idle,
  postgres,
};

const asked = tryParse();
if (asked === undefined) {
  console.error(
    `usage: bun run bench:index [-- ${Object.keys(parts).join(" | ")} | report] [--runs N] ` +
      "[--scale 0.01] [--seconds N] [--binary PATH] [--write]",
  );
  process.exitCode = 2;
} else {
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

/** undefined when it makes no sense. */
function tryParse(): Asked | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        runs: { type: "string", default: "3" },
        scale: { type: "string", default: "1" },
        seconds: { type: "string", default: "2" },
        binary: { type: "string", default: "" },
        write: { type: "boolean", default: false },
      },
    });
    const onlyReport = positionals.includes("report");
    const names =
      positionals.length === 0 ? Object.keys(parts) : positionals.filter((each) => each !== "report");
    const [runs, scale, seconds] = [Number(values.runs), Number(values.scale), Number(values.seconds)];
    const right = names.every((each) => each in parts) && runs >= 1 && scale > 0 && seconds > 0;
    const settings: Settings = { runs, scale, seconds, binary: values.binary };
    return right ? { names, onlyReport, write: values.write, settings } : undefined;
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

async function measure({ names, settings }: Asked): Promise<void> {
  if (process.platform !== "linux") throw new Error("this benchmark needs Linux: /proc and epoll");
  if (settings.binary === "") settings.binary = requireBinary();
  mkdirSync(resultsFolder, { recursive: true });
  for (const name of names) {
    console.error(`${name} …`);
    // Folders of its own for each, so that none finds what another has left.
    await using workspace = new Workspace(settings);
    using _signals = endOnSignals(workspace);
    const section = await parts[name]!(workspace);
    section.paragraphs.unshift(conditions(settings));
    const text = markdown(section);
    // A trial takes no place of a measurement.
    if (settings.scale === 1) writeFileSync(`${resultsFolder}/${name}.md`, `${text}\n`);
    console.log(`${text}\n`);
  }
}

function conditions({ runs, scale, seconds, binary }: Settings): string {
  const build = binary === binaryPath ? `p2p ${projectVersion()}` : `p2p at ${binary}`;
  const day = new Date().toISOString().slice(0, 10);
  const size = scale === 1 ? "" : ` **Sizes times ${scale}: only a trial, targets do not apply.**`;
  const often = runs === 1 ? "one round" : `${runs} rounds`;
  return `${build}, ${day}, ${often}, each load for ${seconds} s; ${machine()}.${size}`;
}

/** Ctrl-C leaves neither a process nor a file. */
function endOnSignals(workspace: Workspace): Disposable {
  const end = async (code: number) => {
    await endAllProcesses();
    workspace.removeFolders();
    process.exit(code);
  };
  const [onInterrupt, onTerminate] = [() => void end(130), () => void end(143)];
  process.once("SIGINT", onInterrupt).once("SIGTERM", onTerminate);
  return {
    [Symbol.dispose]() {
      process.off("SIGINT", onInterrupt).off("SIGTERM", onTerminate);
    },
  };
}

function finish({ write, names }: Asked): void {
  if (write) writeIntoDocument(Object.keys(parts));
  else if (names.length === 0) console.log(savedReport(Object.keys(parts)));
}
