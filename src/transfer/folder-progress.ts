/** The downloads of a folder, added up: bytes, files, rate and sources of all that run and have run. Pure. */
import type { CompleteSource } from "../output/events.ts";
import type { DownloadProgress } from "./download.ts";
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
  resumedBytes = 0;

  constructor(nowMs: number) {
    this.rate = new RateMeter(nowMs);
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
  }

  /** It is over; what it has brought is told by `stored`. Without `sources` it failed, and brought nothing. */
  end(id: symbol, sources: readonly CompleteSource[] | undefined): void {
    if (sources !== undefined) this.resumedBytes += this.running.get(id)?.resumedBytes ?? 0;
    this.running.delete(id);
    for (const source of sources ?? []) this.addSource(source);
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
