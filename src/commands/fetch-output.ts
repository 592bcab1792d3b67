/** What a download says while it runs and at its end: events, progress and notices, for `query` and the prompt. */

import { monotonicMs } from "../clock.ts";
import { chunkCountOf } from "../content/chunks.ts";
import type { CompleteEvent, PlanEvent, Receipt } from "../output/events.ts";
import { formatBytes, formatRate } from "../output/format.ts";
import { printable } from "../printable.ts";
import type { DownloadProgress } from "../transfer/download.ts";
import type { Fetched, FetchListener, FetchPlan } from "../transfer/fetch.ts";
import type { FoundContent } from "../wire/messages.ts";
import type { CommandContext } from "./context.ts";

/** Events for machines come at this pace; the bar on a terminal is drawn more often. */
const progressEventIntervalMs = 500;

/** Nobody asks why a download was not faster that was over at once. */
export const leastReceiptSeconds = 1;

export class FetchOutput implements FetchListener {
  private sizeBytes = 0;
  private lastEventMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly name: string,
    private readonly context: Pick<CommandContext, "output" | "log" | "progress">,
    /** `--explain`. */
    private readonly explain: ((plan: FetchPlan) => PlanEvent) | undefined = undefined,
  ) {}

  found({ sizeBytes, md5, root, total }: FoundContent): void {
    const { output, progress } = this.context;
    this.sizeBytes = sizeBytes;
    output.event({ event: "found", name: this.name, size: sizeBytes, md5, root, sources: total });
    progress.start({ label: printable(this.name), sizeBytes });
  }

  ambiguous(contents: readonly FoundContent[]): void {
    this.context.output.event({
      event: "ambiguous",
      name: this.name,
      contents: contents.map(({ root, sizeBytes, md5, names, total, sources }) => ({
        root,
        size: sizeBytes,
        md5,
        names,
        sources: total,
        addresses: new Set(sources.map(({ host }) => host)).size,
      })),
    });
  }

  progress({ bytes, bytesPerSecond, sources }: DownloadProgress): void {
    const { output, progress } = this.context;
    progress.update({ bytes, bytesPerSecond, sources });
    const nowMs = monotonicMs();
    if (nowMs - this.lastEventMs < progressEventIntervalMs) return;
    this.lastEventMs = nowMs;
    const rate = Math.round(bytesPerSecond);
    output.event({ event: "progress", bytes, size: this.sizeBytes, bytesPerSecond: rate, sources });
  }

  notice(line: string): void {
    this.context.log.warn(line, "download");
  }

  resumed(bytes: number): void {
    const chunks = `${chunkCountOf(bytes)}/${chunkCountOf(this.sizeBytes)} chunks verified`;
    this.context.log.info(
      `resuming: ${chunks}, ${formatBytes(bytes)} of ${formatBytes(this.sizeBytes)} are here`,
    );
  }

  complete({ content, path, alreadyThere, seconds, report }: Fetched): void {
    const { root, sizeBytes, md5 } = content;
    const event: CompleteEvent = {
      event: "complete",
      path,
      size: sizeBytes,
      md5,
      root,
      seconds: Math.round(seconds * 1000) / 1000,
      resumedBytes: report.resumedBytes,
      sources: report.sources,
    };
    const { output, log } = this.context;
    if (report.receipt !== undefined) event.receipt = report.receipt;
    output.event(alreadyThere ? { ...event, alreadyThere: true } : event);
    if (report.receipt !== undefined && seconds >= leastReceiptSeconds) log.info(receiptLine(report.receipt));
  }

  planned(plan: FetchPlan): void {
    if (this.explain !== undefined) this.context.output.event(this.explain(plan));
  }

  /** The bar goes, however it ended. */
  close(): void {
    this.context.progress.stop();
  }
}

/** One line that names what kept it from being faster. */
export function receiptLine({ bottleneck, because, bytesPerSecond, bestBytesPerSecond }: Receipt): string {
  const best =
    bestBytesPerSecond > 1.05 * bytesPerSecond ? `, ${formatRate(bestBytesPerSecond)} at best` : "";
  return `${formatRate(bytesPerSecond)}${best}; the bottleneck was ${bottleneckNames[bottleneck]}: ${because}`;
}

const bottleneckNames: Record<Receipt["bottleneck"], string> = {
  source: "the source",
  network: "the network",
  hashing: "hashing",
  disk: "the disk",
  limit: "the limit",
};
