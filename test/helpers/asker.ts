/**
 * Somebody of another address who asks the index for one name all the while, in a thread of its own: what floods it
 * from the test's thread keeps that thread busy, and would be measured otherwise.
 */
import type { AskerPlan, AskerReport } from "./asker-worker.ts";

export class Asker implements Disposable {
  private readonly worker = new Worker(new URL("./asker-worker.ts", import.meta.url));

  private constructor() {}

  /** `name` has one source from now until the end. */
  static async start(port: number, name: string, pauseMs = 2): Promise<Asker> {
    const asker = new Asker();
    await asker.said({ port, from: "127.0.0.9", name, pauseMs });
    return asker;
  }

  /** What the answers took since the last time, the shortest first. Throws when one was wrong. */
  async tookMs(): Promise<number[]> {
    return (await this.said("report")).tookMs.toSorted((one, other) => one - other);
  }

  [Symbol.dispose](): void {
    this.worker.terminate();
  }

  private async said(message: AskerPlan | "report"): Promise<AskerReport> {
    const { promise, resolve, reject } = Promise.withResolvers<AskerReport>();
    this.worker.onmessage = ({ data }: MessageEvent<AskerReport>) =>
      data.wrong === undefined ? resolve(data) : reject(new Error(data.wrong));
    this.worker.onerror = ({ message }) => reject(new Error(message));
    this.worker.postMessage(message);
    return await promise;
  }
}

/** Of sorted numbers the one that so many of a hundred do not exceed. */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}
