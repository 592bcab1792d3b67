/** The downloads of a folder, added up: bytes, files, rate and sources of all that run and have run. Pure. */
import type { CompleteSource, Receipt } from "../output/events.ts";
import type { DownloadProgress, DownloadReport } from "./download.ts";
import type { FolderProgress } from "./folder-report.ts";
import { RateMeter } from "./rate-meter.ts";

interface Run {
  readonly isOfMany: boolean;
  /** Verified. */
  bytes: number;
  /** Of these: an earlier run had left them. */
  resumedBytes: number;
  sources: number;
}

export class FolderSums {
  private readonly running = new Map<symbol, Run>();
  private readonly rate: RateMeter;
  private readonly bySource = new Map<string, CompleteSource>();
  private files = 0;
  private bytes = 0;
  private bestBytesPerSecond = 0;
  private hashingSeconds = 0;
  private writingSeconds = 0;
  private largest: { bytes: number; receipt: Receipt } | undefined;
  resumedBytes = 0;

  constructor(private readonly startMs: number) {
    this.rate = new RateMeter(startMs);
  }

  /** A download begins; the rest is told of what is returned. `isOfMany`: its bytes are told file by file, by `stored`. */
  begin(isOfMany: boolean): symbol {
    const id = Symbol();
    this.running.set(id, { isOfMany, bytes: 0, resumedBytes: 0, sources: 0 });
    return id;
  }

  resumed(id: symbol, bytes: number): void {
    const run = this.running.get(id);
    if (run !== undefined) run.resumedBytes = bytes;
  }

  progress(id: symbol, { bytes, sources }: Pick<DownloadProgress, "bytes" | "sources">, nowMs: number): void {
    const run = this.running.get(id);
    if (run === undefined) return;
    const before = Math.max(run.bytes, run.resumedBytes);
    this.rate.add(Math.max(0, bytes - before), nowMs);
    run.bytes = bytes;
    run.sources = sources;
    // Before, a mean of so little says little.
    if (nowMs - this.startMs > 1_000)
      this.bestBytesPerSecond = Math.max(this.bestBytesPerSecond, this.rate.bytesPerSecond(nowMs));
  }

  /** It is over; what it has brought is told by `stored`. Without a report it failed, and brought nothing. */
  end(id: symbol, report: Pick<DownloadReport, "sources" | "receipt"> | undefined): void {
    if (report !== undefined) this.resumedBytes += this.running.get(id)?.resumedBytes ?? 0;
    this.running.delete(id);
    for (const source of report?.sources ?? []) this.addSource(source);
    if (report?.receipt !== undefined) this.addReceipt(report.receipt, report.sources);
  }

  /** What held it back is what held back the download that brought the most. Undefined when nothing was fetched. */
  receipt(seconds: number): Receipt | undefined {
    if (this.largest === undefined) return undefined;
    const { bottleneck, because } = this.largest.receipt;
    const bytesPerSecond = Math.round((this.bytes - this.resumedBytes) / Math.max(0.001, seconds));
    const bestBytesPerSecond = Math.max(bytesPerSecond, Math.round(this.bestBytesPerSecond));
    const { hashingSeconds, writingSeconds } = this;
    return { bytesPerSecond, bestBytesPerSecond, bottleneck, because, hashingSeconds, writingSeconds };
  }

  stored(sizeBytes: number): void {
    this.files++;
    this.bytes += sizeBytes;
  }

  get fetched(): { files: number; bytes: number } {
    return { files: this.files, bytes: this.bytes };
  }

  get sources(): CompleteSource[] {
    return [...this.bySource.values()];
  }

  now(nowMs: number): FolderProgress {
    let { bytes } = this;
    let sources = 0;
    for (const run of this.running.values()) {
      if (!run.isOfMany) bytes += run.bytes;
      sources = Math.max(sources, run.sources);
    }
    return { files: this.files, bytes, bytesPerSecond: this.rate.bytesPerSecond(nowMs), sources };
  }

  private addReceipt(receipt: Receipt, sources: readonly CompleteSource[]): void {
    this.hashingSeconds += receipt.hashingSeconds;
    this.writingSeconds += receipt.writingSeconds;
    const bytes = sources.reduce((sum, source) => sum + source.bytes, 0);
    if (bytes >= (this.largest?.bytes ?? 0)) this.largest = { bytes, receipt };
  }

  private addSource(source: CompleteSource): void {
    const key = `${source.host} ${source.port}`;
    const sum = this.bySource.get(key);
    if (sum === undefined) {
      this.bySource.set(key, { ...source });
      return;
    }
    sum.bytes += source.bytes;
    sum.badChunks += source.badChunks;
    sum.stalls += source.stalls;
    sum.busyAnswers += source.busyAnswers;
    sum.connections += source.connections;
    sum.waitedSeconds += source.waitedSeconds;
    sum.bytesPerSecond = Math.max(sum.bytesPerSecond, source.bytesPerSecond);
  }
}
