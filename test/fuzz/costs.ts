/**
 * What an input costs: work, as CPU time of this process and not as time that passes, and memory. What seems too much
 * is tried again, and the least of several counts: what compiles, collects or is interrupted meanwhile is no fault of
 * the decoder, and one that works too much does so every time.
 */

import type { Outcome } from "./target.ts";

const MiB = 1024 * 1024;

/** Twice what the slowest line of 1 MiB takes on a slow machine. */
const msPerMiB = 50;
/** For an input of hardly any bytes. */
const usuallyLeastMs = 10;
const tries = 6;
/** Of one input: a line of 1 MiB, its text and its objects, several times over. */
const maxGrowthBytes = 96 * MiB;
/** Of all together, after everything was collected. */
const maxLeakBytes = 256 * MiB;

interface Cost {
  cpuMs: number;
  grownBytes: number;
}

export class Costs {
  private residentBytes = process.memoryUsage.rss();
  private readonly atFirstBytes = this.residentBytes;

  constructor(private readonly leastMs: number = usuallyLeastMs) {}

  /** `problem`: undefined when it costs no more than it may. Throws what `run` throws. */
  async of(
    bytes: number,
    run: () => Outcome | Promise<Outcome>,
  ): Promise<{ word: string; problem: string | undefined }> {
    const mostMs = this.leastMs + (msPerMiB * bytes) / MiB;
    const { outcome, cost } = await this.measured(run);
    for (let i = 1; i < tries && (cost.cpuMs > mostMs || cost.grownBytes > maxGrowthBytes); i++) {
      this.collect();
      const again = await this.measured(run);
      cost.cpuMs = Math.min(cost.cpuMs, again.cost.cpuMs);
      cost.grownBytes = Math.min(cost.grownBytes, again.cost.grownBytes);
    }
    const word = typeof outcome === "string" ? outcome : outcome();
    return { word, problem: tooMuch(cost, mostMs, bytes) ?? this.leak() };
  }

  private async measured(run: () => Outcome | Promise<Outcome>): Promise<{ outcome: Outcome; cost: Cost }> {
    const before = process.cpuUsage();
    const outcome = await run();
    const { user, system } = process.cpuUsage(before);
    const residentBefore = this.residentBytes;
    this.residentBytes = process.memoryUsage.rss();
    return {
      outcome,
      cost: { cpuMs: (user + system) / 1000, grownBytes: this.residentBytes - residentBefore },
    };
  }

  private leak(): string | undefined {
    if (this.residentBytes < this.atFirstBytes + 2 * maxLeakBytes) return undefined;
    this.collect();
    if (this.residentBytes < this.atFirstBytes + maxLeakBytes) return undefined;
    return `${Math.round((this.residentBytes - this.atFirstBytes) / MiB)} MiB more are in use than at the beginning`;
  }

  private collect(): void {
    Bun.gc(true);
    this.residentBytes = process.memoryUsage.rss();
  }
}

function tooMuch({ cpuMs, grownBytes }: Cost, mostMs: number, bytes: number): string | undefined {
  if (cpuMs > mostMs) return `takes ${cpuMs.toFixed(1)} ms of ${mostMs.toFixed(1)} for ${bytes} bytes`;
  if (grownBytes > maxGrowthBytes) return `takes ${Math.round(grownBytes / MiB)} MiB for ${bytes} bytes`;
  return undefined;
}
