/** What came of each file of a folder download, told as it happens and added up for the end. */
import { monotonicMs } from "../clock.ts";
import { LocalIoError, type P2pError } from "../errors.ts";
import { wouldOverwrite } from "../library/partial-file.ts";
import { printable } from "../printable.ts";
import type { DownloadReport } from "./download.ts";
import type { StoreFailure } from "./drafts.ts";
import { FolderSums } from "./folder-progress.ts";
import type { FileFailure, FolderFetched, FolderListener } from "./folder-report.ts";
import type { FolderTarget } from "./folder-targets.ts";

export class FolderOutcome {
  readonly alreadyThere = { files: 0, bytes: 0 };
  /** Complete now, and not before. */
  readonly stored: FolderTarget[] = [];
  private readonly failures: FileFailure[] = [];
  private readonly sums: FolderSums;
  private readonly told = new Set<string>();

  constructor(
    private readonly listener: FolderListener,
    startMs: number,
  ) {
    this.sums = new FolderSums(startMs);
  }

  // --- of single files ---

  wasThere({ file, shown }: FolderTarget): void {
    this.alreadyThere.files++;
    this.alreadyThere.bytes += file.sizeBytes;
    this.listener.stored({ ...file, path: shown, alreadyThere: true });
  }

  isStored(target: FolderTarget, chunkHashes?: Uint8Array): void {
    const { file, shown } = target;
    this.stored.push(target);
    this.sums.stored(file.sizeBytes);
    this.listener.stored({ ...file, path: shown, alreadyThere: false, chunkHashes });
  }

  notStored({ file, shown }: FolderTarget, failure: StoreFailure): void {
    const error =
      failure.kind === "different"
        ? wouldOverwrite(shown)
        : new LocalIoError(`cannot write ${printable(shown)}: ${failure.reason}`);
    this.failed(file.name, error);
  }

  failed(name: string, error: P2pError): void {
    const failure = { name, error };
    this.failures.push(failure);
    this.listener.failed(failure);
  }

  // --- of downloads, of one file or of many ---

  begin(isOfMany: boolean): symbol {
    return this.sums.begin(isOfMany);
  }

  resumed(download: symbol, bytes: number): void {
    this.sums.resumed(download, bytes);
  }

  progress(download: symbol, progress: { bytes: number; sources: number }): void {
    const nowMs = monotonicMs();
    this.sums.progress(download, progress, nowMs);
    this.listener.progress(this.sums.now(nowMs));
  }

  /** Without a report it failed. */
  end(download: symbol, report: DownloadReport | undefined): void {
    this.sums.end(download, report);
  }

  /** What is wrong with a source is wrong for one file after the other: each line is told once. */
  notice(line: string): void {
    if (this.told.has(line)) return;
    this.told.add(line);
    this.listener.notice(line);
  }

  // --- the end ---

  fetched(seconds: number): FolderFetched {
    const { alreadyThere, failures, sums } = this;
    const { fetched, resumedBytes, sources } = sums;
    const receipt = sums.receipt(seconds);
    return { fetched, alreadyThere, failed: failures, seconds, resumedBytes, sources, receipt };
  }
}
