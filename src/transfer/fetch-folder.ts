/**
 * Everything that a pattern stands for, into the same structure on this side: lists the names, decides which can lie
 * beside each other (`folder-plan.ts`), looks at what is there, fetches the small files together and the large ones a
 * few at a time. A file that fails does not stop the others.
 */
import { resolve } from "node:path";
import { monotonicMs } from "../clock.ts";
import { AmbiguousError, LocalIoError, NotFoundError, P2pError } from "../errors.ts";
import { checkRoom } from "../library/disk.ts";
import { PartialFile } from "../library/partial-file.ts";
import type { IndexClient } from "../net/index-client.ts";
import { printable } from "../printable.ts";
import { unlessAborted } from "../shutdown.ts";
import { chunkBytes, maxNameBytes } from "../wire/limits.ts";
import type { ListedFile } from "../wire/messages.ts";
import { isMeant, type Meant } from "./choose-content.ts";
import type { DownloadReport } from "./download.ts";
import { DownloadThreads } from "./download-threads.ts";
import { makeEmptyFile } from "./drafts.ts";
import { type FetchRequest, fetchByName, isPossibleName, type TransferOptions } from "./fetch.ts";
import { FolderOutcome } from "./folder-outcome.ts";
import { planFolder } from "./folder-plan.ts";
import type { FolderFetched, FolderListener } from "./folder-report.ts";
import { checkContents, type FolderTarget, FolderTargets, whyNotReplaced } from "./folder-targets.ts";
import { inLanes } from "./lanes.ts";
import { SilentSources } from "./silent-sources.ts";
import { fetchSmallFiles } from "./small-files.ts";

export interface FolderRequest {
  /** As the user typed it. */
  pattern: string;
  meant: Meant;
  /** Where the names begin, as the user wrote it. */
  output: string;
  force: boolean;
  transfer: TransferOptions;
  /** As of FetchRequest, by the name of each file. */
  share: ((name: string, ...content: Parameters<Share>) => ReturnType<Share>) | undefined;
  /** Throws IndexError while there is none. */
  index: () => IndexClient;
  signal: AbortSignal;
}

type Share = NonNullable<FetchRequest["share"]>;

/** Large files at a time: one fills the line while another one begins or ends. */
const filesAtOnce = 4;

/** Whether the name can stand for many: a folder, or all that match. */
export function isPattern(name: string): boolean {
  return name.endsWith("/") || /[*?]/.test(name);
}

/** Whether it does: a file of exactly that name comes first. */
export async function meansMany(
  name: string,
  index: () => IndexClient,
  signal: AbortSignal,
): Promise<boolean> {
  if (!isPattern(name) || name.endsWith("/") || !isPossibleName(name)) return isPattern(name);
  return (await unlessAborted(index().query(name), signal)).length === 0;
}

/** As LIST takes it: as of a plain name, without a slash the last part alone is meant. */
export function patternOf(name: string): string {
  return name.includes("/") ? name : `**/${name}`;
}

/** Rejects when nothing can be fetched at all, or with the signal's reason; what failed file by file is in the result. */
export async function fetchFolder(request: FolderRequest, listener: FolderListener): Promise<FolderFetched> {
  const pool = new DownloadThreads(Math.max(filesAtOnce, request.transfer.threads), true);
  // While the index is asked.
  pool.prepare(1);
  try {
    return await new FolderFetch(request, listener, pool).run();
  } finally {
    await pool.stop();
  }
}

class FolderFetch {
  private readonly startMs = monotonicMs();
  private readonly outcome: FolderOutcome;
  private readonly targets: FolderTargets;
  private readonly silent: SilentSources;

  constructor(
    private readonly request: FolderRequest,
    private readonly listener: FolderListener,
    private readonly pool: DownloadThreads,
  ) {
    this.targets = new FolderTargets(request.output);
    this.silent = new SilentSources(request.transfer.timeoutMs);
    this.outcome = new FolderOutcome(listener, this.startMs);
  }

  async run(): Promise<FolderFetched> {
    const files = await this.filesMeant();
    const missing = await this.lookWhatIsThere(files);
    const small = missing.filter(({ file }) => file.sizeBytes <= chunkBytes);
    const large = missing.filter(({ file }) => file.sizeBytes > chunkBytes);
    this.plan(missing, small.length);
    await this.fetchSmall(small);
    await this.fetchLarge(large);
    this.targets.sync(this.outcome.stored);
    return this.outcome.fetched((monotonicMs() - this.startMs) / 1000);
  }

  // --- before anything is fetched ---

  /** What the pattern stands for. Throws when names clash, before anything is written, or when there is nothing. */
  private async filesMeant(): Promise<ListedFile[]> {
    const { pattern, index, meant, signal } = this.request;
    const listed: ListedFile[] = [];
    const pages = index().list(patternOf(pattern));
    for (;;) {
      const page = await unlessAborted(pages.next(), signal);
      if (page.done) break;
      listed.push(...page.value.filter((file) => isMeant(file, meant)));
    }
    const { files, problems, clash } = planFolder(listed, process.platform);
    if (files.length + problems.length === 0)
      throw new NotFoundError(`nobody shares a file that fits ${printable(pattern, maxNameBytes)}`);
    if (clash !== undefined) {
      const [first, second] = [clash.first, clash.second].map((name) => printable(name, maxNameBytes));
      throw new LocalIoError(
        `${first} and ${second} cannot lie beside each other everywhere: ${clash.reason}; ` +
          "nothing was written, fetch them one by one with -o",
      );
    }
    this.listener.matched({ files: files.length, bytes: bytesOf(files), problems: problems.length });
    for (const { name, reason, kind } of problems) {
      this.outcome.failed(
        name,
        kind === "ambiguous"
          ? new AmbiguousError(`${reason}; choose one by p2p query with --root PREFIX`)
          : new LocalIoError(`cannot be stored here: ${reason}`),
      );
    }
    return files;
  }

  /** Makes the folders. Those that have to be fetched. */
  private async lookWhatIsThere(files: readonly ListedFile[]): Promise<FolderTarget[]> {
    const { transfer, signal } = this.request;
    const missing: FolderTarget[] = [];
    const candidates: FolderTarget[] = [];
    for (const file of files) {
      const target = this.targets.place(file);
      if (target instanceof P2pError) {
        this.outcome.failed(file.name, target);
        continue;
      }
      const found = this.targets.look(target);
      if (found === "nothing") missing.push(target);
      else if (found === "candidate") candidates.push(target);
      else if (found === "different") this.isDifferent(target, missing);
      else this.outcome.failed(file.name, found);
    }
    const checked = (target: FolderTarget, found: "same" | "different" | LocalIoError) => {
      if (found === "same") this.outcome.wasThere(target);
      else if (found === "different") this.isDifferent(target, missing);
      else this.outcome.failed(target.file.name, found);
    };
    await checkContents(candidates, transfer.threads, checked, signal);
    return missing;
  }

  private isDifferent(target: FolderTarget, missing: FolderTarget[]): void {
    const problem = whyNotReplaced(target, this.request.force);
    if (problem === undefined) missing.push(target);
    else this.outcome.failed(target.file.name, problem);
  }

  /** Throws LocalIoError when all of it cannot fit. */
  private plan(missing: readonly FolderTarget[], small: number): void {
    const { output, transfer } = this.request;
    const sources = new Map<string, { host: string; port: number }>();
    let bytesOnDisk = 0;
    for (const { file, path } of missing) {
      for (const { host, port } of file.sources) sources.set(`${host} ${port}`, { host, port });
      if (file.sizeBytes > chunkBytes) bytesOnDisk += PartialFile.bytesOnDisk(path, file.root);
    }
    const bytes = bytesOf(missing.map(({ file }) => file));
    if (missing.length > 0 && transfer.checkSpace) checkRoom(resolve(output), bytes - bytesOnDisk);
    this.listener.planned({
      toFetch: { files: missing.length, bytes },
      alreadyThere: this.outcome.alreadyThere,
      small,
      sources: [...sources.values()],
      path: output,
    });
  }

  // --- the fetching ---

  private async fetchSmall(all: readonly FolderTarget[]): Promise<void> {
    const { transfer, force, index, signal } = this.request;
    for (const target of all) if (target.file.sizeBytes === 0) this.makeEmpty(target);
    const targets = all.filter(({ file }) => file.sizeBytes > 0);
    if (targets.length === 0) return;
    const left = new Set(targets);
    const sum = this.outcome.begin(true);
    const { report, failure } = await fetchSmallFiles({
      ...transfer,
      targets,
      replace: force,
      pool: this.pool,
      index,
      onStored: (target) => {
        left.delete(target);
        this.outcome.isStored(target);
      },
      onNotStored: (target, why) => {
        left.delete(target);
        this.outcome.notStored(target, why);
      },
      onProgress: (progress) => this.outcome.progress(sum, progress),
      onNotice: (line) => this.outcome.notice(line),
      onResumed: () => {},
      signal,
    });
    this.outcome.end(sum, report.sources);
    if (failure === undefined) return;
    this.expected(failure);
    for (const { file } of left) this.outcome.failed(file.name, failure);
  }

  private makeEmpty(target: FolderTarget): void {
    const failure = makeEmptyFile(target.path, target.file.root, this.request.force);
    if (failure === undefined) this.outcome.isStored(target);
    else this.outcome.notStored(target, failure);
  }

  private async fetchLarge(targets: readonly FolderTarget[]): Promise<void> {
    // Of one content there is one partial file, and one offer to others: not two downloads at a time.
    const contents = Map.groupBy(targets, ({ file }) => file.root).values();
    await inLanes(contents, filesAtOnce, async (sameContent) => {
      for (const target of sameContent) await this.fetchOne(target);
    });
  }

  private async fetchOne(target: FolderTarget): Promise<void> {
    const { transfer, force, share, index, signal } = this.request;
    const { file, path, shown } = target;
    const { name, root, sizeBytes } = file;
    const sum = this.outcome.begin(false);
    const startMs = monotonicMs();
    let report: DownloadReport | undefined;
    try {
      const fetched = await fetchByName(
        {
          name,
          meant: { rootPrefix: root, sizeBytes },
          known: { ...file, names: [name] },
          target: () => ({ path, shown }),
          force,
          transfer: { ...transfer, timeoutMs: this.silent.timeoutFor(file) },
          pool: this.pool,
          share: share && ((content, offer) => share(name, content, offer)),
          index,
          signal,
        },
        {
          found: () => {},
          ambiguous: () => {},
          planned: () => {},
          progress: (progress) => this.outcome.progress(sum, progress),
          notice: (line) => this.outcome.notice(line),
          resumed: (bytes) => this.outcome.resumed(sum, bytes),
        },
      );
      report = fetched.report;
      this.silent.onFetched(report.sources);
      if (fetched.alreadyThere) this.outcome.wasThere(target);
      else this.outcome.isStored(target);
    } catch (error) {
      this.expected(error);
      this.silent.onFailed(file, monotonicMs() - startMs);
      this.outcome.failed(name, error);
    }
    this.outcome.end(sum, report?.sources);
  }

  /** Whatever is no failure of a file ends all of it. */
  private expected(error: unknown): asserts error is P2pError {
    if (this.request.signal.aborted || !(error instanceof P2pError)) throw error;
  }
}

function bytesOf(files: readonly ListedFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
