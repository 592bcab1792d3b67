/** How far the hashing of a batch of files is, how fast, and how long it takes still. Pure. */

export interface ScanProgress {
  files: number;
  totalFiles: number;
  bytes: number;
  totalBytes: number;
  bytesPerSecond: number;
  /** Undefined while nothing is known of the rate. */
  secondsLeft: number | undefined;
}

/** The rate is that of the last so many milliseconds. */
const windowMs = 5_000;

/** A batch begins with a file when none is being hashed, and ends when none is any more. */
export class HashProgress {
  private files = 0;
  private totalFiles = 0;
  private bytes = 0;
  private totalBytes = 0;
  private samples: { atMs: number; bytes: number }[] = [];

  begin(sizeBytes: number, nowMs: number): void {
    if (this.done) {
      this.files = this.totalFiles = this.bytes = this.totalBytes = 0;
      this.samples = [{ atMs: nowMs, bytes: 0 }];
    }
    this.totalFiles++;
    this.totalBytes += sizeBytes;
  }

  end(sizeBytes: number): void {
    this.files++;
    this.bytes += sizeBytes;
  }

  get done(): boolean {
    return this.files === this.totalFiles;
  }

  /** `bytesInProgress`: read of files that have not ended. Call it a few times a second. */
  report(bytesInProgress: number, nowMs: number): ScanProgress {
    const bytes = Math.min(this.bytes + bytesInProgress, this.totalBytes);
    this.samples.push({ atMs: nowMs, bytes });
    while (this.samples.length > 2 && this.samples[0]!.atMs < nowMs - windowMs) this.samples.shift();
    const first = this.samples[0]!;
    const bytesPerSecond = nowMs > first.atMs ? ((bytes - first.bytes) * 1000) / (nowMs - first.atMs) : 0;
    const secondsLeft = bytesPerSecond > 0 ? (this.totalBytes - bytes) / bytesPerSecond : undefined;
    const { files, totalFiles, totalBytes } = this;
    return { files, totalFiles, bytes, totalBytes, bytesPerSecond, secondsLeft };
  }
}
