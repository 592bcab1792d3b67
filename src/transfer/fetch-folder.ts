/**
 * Everything that a pattern stands for, into the same structure on this side: lists the names, decides which can lie
 * beside each other (`folder-plan.ts`), looks at what is there, fetches the small files together and the large ones a
 * few at a time. A file that fails does not stop the others.
 */
import { resolve } from "node:path";
import { monotonicMs } from "../clock.ts";
import { NoSourceError, P2pError } from "../errors.ts";
import { checkRoom } from "../library/disk.ts";
import { PartialFile } from "../library/partial-file.ts";
import type { IndexClient } from "../net/index-client.ts";
import { unlessAborted } from "../shutdown.ts";
import { chunkBytes } from "../wire/limits.ts";
import type { Source } from "../wire/messages.ts";
import type { Meant } from "./choose-content.ts";
import type { DownloadReport } from "./download.ts";
import { DownloadThreads } from "./download-threads.ts";
import { makeEmptyFile } from "./drafts.ts";
import { type FetchRequest, fetchByName, isPossibleName, type TransferOptions } from "./fetch.ts";
import { bytesOf, filesMeant, lookWhatIsThere, patternOf } from "./folder-look.ts";
import { FolderOutcome } from "./folder-outcome.ts";
import type { FolderFetched, FolderListener } from "./folder-report.ts";
import { type FolderTarget, FolderTargets } from "./folder-targets.ts";
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
    const files = await filesMeant(this.request, this.listener, this.outcome);
    const missing = await lookWhatIsThere(files, this.targets, this.request, this.outcome);
    const small = missing.filter(({ file }) => file.sizeBytes <= chunkBytes);
    const large = missing.filter(({ file }) => file.sizeBytes > chunkBytes);
    this.plan(missing, small.length);
    await this.fetchSmall(small);
    await this.fetchLarge(large);
    this.targets.sync(this.outcome.stored);
    return this.outcome.fetched((monotonicMs() - this.startMs) / 1000);
  }

  // --- before anything is fetched ---

  /** Throws LocalIoError when all of it cannot fit. */
  private plan(missing: readonly FolderTarget[], small: number): void {
    const { output, transfer } = this.request;
    const sources = new Map<string, { host: string; port: number }>();
    let bytesOnDisk = 0;
    // All files of a page name one and the same object for a source.
    const seen = new Set<Source>();
    for (const { file, path } of missing) {
      for (const source of file.sources) {
        if (seen.has(source)) continue;
        seen.add(source);
        const { host, port } = source;
        sources.set(`${host} ${port}`, { host, port });
      }
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
      pattern: patternOf(this.request.pattern),
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
    this.outcome.end(sum, report);
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
    let startMs = monotonicMs();
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
          planned: () => {
            startMs = monotonicMs();
          },
          progress: (progress) => this.outcome.progress(sum, progress),
          notice: (line) => this.outcome.notice(line),
          resumed: (bytes) => this.outcome.resumed(sum, bytes),
        },
      );
      report = fetched.report;
      this.silent.onFetched(report.sources);
      if (fetched.alreadyThere) this.outcome.wasThere(target);
      else this.outcome.isStored(target, report.chunkHashes);
    } catch (error) {
      this.expected(error);
      if (error instanceof NoSourceError) this.silent.onFailed(file, monotonicMs() - startMs);
      this.outcome.failed(name, error);
    }
    this.outcome.end(sum, report);
  }

  /** Whatever is no failure of a file ends all of it. */
  private expected(error: unknown): asserts error is P2pError {
    if (this.request.signal.aborted || !(error instanceof P2pError)) throw error;
  }
}
