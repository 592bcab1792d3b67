/** What the download of a folder says while it runs and at its end: events, progress and notices. */

import { monotonicMs } from "../clock.ts";
import { failedLine, namedFailures } from "../output/download-lines.ts";
import type { FailedEvent, FolderPlanEvent, OutputEvent } from "../output/events.ts";
import { printable } from "../printable.ts";
import type { TransferOptions } from "../transfer/fetch.ts";
import type {
  FileFailure,
  FolderFetched,
  FolderFetchPlan,
  FolderListener,
  FolderProgress,
  StoredFile,
} from "../transfer/folder-report.ts";
import type { CommandContext } from "./context.ts";
import { leastReceiptSeconds, receiptLine } from "./fetch-output.ts";

/** Events for machines come at this pace; the bar on a terminal is drawn more often. */
const progressEventIntervalMs = 500;

/** As in the error that ends a command: one line must stay readable. */
const messageLimit = 2_000;

export class FolderOutput implements FolderListener {
  private plan: Pick<FolderFetchPlan, "path" | "toFetch"> = { path: ".", toFetch: { files: 0, bytes: 0 } };
  private failures = 0;
  private lastEventMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly pattern: string,
    private readonly context: Pick<CommandContext, "output" | "log" | "progress">,
    /** `--explain`. */
    private readonly explain: ((plan: FolderFetchPlan) => OutputEvent) | undefined = undefined,
  ) {}

  matched({ files, bytes, problems }: { files: number; bytes: number; problems: number }): void {
    this.context.output.event({ event: "matched", pattern: this.pattern, files, bytes, problems });
  }

  planned(plan: FolderFetchPlan): void {
    const { output, progress } = this.context;
    this.plan = plan;
    if (this.explain !== undefined) output.event(this.explain(plan));
    const { files, bytes } = plan.toFetch;
    if (files === 0) return;
    progress.start({
      label: printable(this.pattern),
      sizeBytes: bytes,
      files: { done: 0, total: files },
    });
  }

  progress({ files, bytes, bytesPerSecond, sources }: FolderProgress): void {
    const { output, progress } = this.context;
    const { toFetch } = this.plan;
    progress.update({ bytes, bytesPerSecond, sources, files: { done: files, total: toFetch.files } });
    const nowMs = monotonicMs();
    if (nowMs - this.lastEventMs < progressEventIntervalMs) return;
    this.lastEventMs = nowMs;
    output.event({
      event: "progress",
      bytes,
      size: toFetch.bytes,
      bytesPerSecond: Math.round(bytesPerSecond),
      sources,
      files,
      totalFiles: toFetch.files,
    });
  }

  /** Comes 10,000 times a second: for people it costs nothing. */
  stored(file: StoredFile): void {
    const { output } = this.context;
    if (!output.json) return;
    const { name, path, sizeBytes, md5, root, alreadyThere } = file;
    output.event({ event: "stored", name, path, size: sizeBytes, md5, root, alreadyThere });
  }

  failed({ name, error }: FileFailure): void {
    const { output, log } = this.context;
    this.failures++;
    if (!output.json && this.failures > namedFailures) return;
    const { code, exit } = error;
    const message = printable(error.message, messageLimit);
    const event: FailedEvent = { event: "failed", name, code, exit, message };
    if (output.json) output.event(event);
    else log.error(failedLine(event), "failed files");
  }

  notice(line: string): void {
    this.context.log.warn(line, "download");
  }

  complete(done: FolderFetched): void {
    const { fetched, alreadyThere, failed, seconds, resumedBytes, sources, receipt } = done;
    const { output, log } = this.context;
    output.event({
      event: "summary",
      pattern: this.pattern,
      path: this.plan.path,
      fetched,
      alreadyThere,
      failed: failed.length,
      seconds: Math.round(seconds * 1000) / 1000,
      resumedBytes,
      sources,
      ...(receipt === undefined ? {} : { receipt }),
    });
    if (receipt !== undefined && seconds >= leastReceiptSeconds) log.info(receiptLine(receipt));
  }

  /** The bar goes, however it ended. */
  close(): void {
    this.context.progress.stop();
  }
}

/** For `explain`. */
export function folderPlanEvent(
  pattern: string,
  { path, toFetch, alreadyThere, small, sources }: FolderFetchPlan,
  {
    connections,
    threads,
    requestBytes,
    limit,
  }: Pick<TransferOptions, "connections" | "threads" | "requestBytes" | "limit">,
  serves: boolean,
): FolderPlanEvent {
  return {
    event: "folder-plan",
    pattern,
    path,
    files: toFetch.files,
    bytes: toFetch.bytes,
    alreadyThere,
    small,
    sources: sources.map(({ host, port }) => ({ host, port })),
    connections,
    threads,
    requestBytes,
    downBytesPerSecond: limit.bytesPerSecond || null,
    serves: serves && toFetch.files > small,
  };
}
