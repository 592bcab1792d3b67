/** What a folder download is about, before anything is fetched: which files, and which of them are there already. */
import { setImmediate } from "node:timers/promises";
import { AmbiguousError, LocalIoError, NotFoundError, P2pError } from "../errors.ts";
import { rulesOfNames } from "../library/disk.ts";
import { listAll } from "../net/list-all.ts";
import { printable } from "../printable.ts";
import { unlessAborted } from "../shutdown.ts";
import { maxNameBytes } from "../wire/limits.ts";
import type { ListedFile } from "../wire/messages.ts";
import { isMeant } from "./choose-content.ts";
import type { FolderRequest } from "./fetch-folder.ts";
import type { FolderOutcome } from "./folder-outcome.ts";
import { FolderPlanner } from "./folder-plan.ts";
import type { FolderListener } from "./folder-report.ts";
import { checkContents, type FolderTarget, type FolderTargets } from "./folder-targets.ts";
import { whyNotReplaced } from "./target.ts";

/** Looked at between two looks at signals and messages: some milliseconds. */
const filesPerTurn = 1_000;

/** As LIST takes it: as of a plain name, without a slash the last part alone is meant. */
export function patternOf(name: string): string {
  return name.includes("/") ? name : `**/${name}`;
}

export function bytesOf(files: readonly ListedFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** What the pattern stands for. Throws when names clash, before anything is written, or when there is nothing. */
export async function filesMeant(
  { pattern, output, index, meant, signal }: FolderRequest,
  listener: FolderListener,
  outcome: FolderOutcome,
): Promise<ListedFile[]> {
  const planner = new FolderPlanner(rulesOfNames(output));
  const pages = listAll(index(), patternOf(pattern));
  for (;;) {
    const page = await unlessAborted(pages.next(), signal);
    if (page.done) break;
    planner.add(page.value.filter((file) => isMeant(file, meant)));
  }
  const { files, problems, clash } = planner.plan();
  if (files.length + problems.length === 0)
    throw new NotFoundError(`nobody shares a file that fits ${printable(pattern, maxNameBytes)}`);
  if (clash !== undefined) {
    const [first, second] = [clash.first, clash.second].map((name) => printable(name, maxNameBytes));
    throw new LocalIoError(
      `${first} and ${second} cannot lie beside each other everywhere: ${clash.reason}; ` +
        "nothing was written, fetch them one by one with -o",
    );
  }
  listener.matched({ files: files.length, bytes: bytesOf(files), problems: problems.length });
  for (const { name, reason, kind } of problems) {
    const error =
      kind === "ambiguous"
        ? new AmbiguousError(`${reason}; choose one by p2p query with --root PREFIX`)
        : new LocalIoError(`cannot be stored here: ${reason}`);
    outcome.failed(name, error);
  }
  return files;
}

/** Makes the folders. Those that have to be fetched. */
export async function lookWhatIsThere(
  files: readonly ListedFile[],
  targets: FolderTargets,
  { transfer, force, signal }: FolderRequest,
  outcome: FolderOutcome,
): Promise<FolderTarget[]> {
  const missing: FolderTarget[] = [];
  const candidates: FolderTarget[] = [];
  const found = (target: FolderTarget, what: "same" | "different" | P2pError) => {
    const problem = what === "different" ? whyNotReplaced(target, force) : what;
    if (problem === "same") outcome.wasThere(target);
    else if (problem === undefined) missing.push(target);
    else outcome.failed(target.file.name, problem);
  };
  for (const [i, file] of files.entries()) {
    if (i % filesPerTurn === filesPerTurn - 1) await unlessAborted(setImmediate(), signal);
    const target = targets.place(file);
    if (target instanceof P2pError) {
      outcome.failed(file.name, target);
      continue;
    }
    const what = targets.look(target);
    if (what === "nothing") missing.push(target);
    else if (what === "candidate") candidates.push(target);
    else found(target, what);
  }
  await checkContents(candidates, transfer.threads, found, signal);
  return missing;
}
