/** What a download came to, and what kept it from being faster. Pure. */
import type { CompleteSource, Receipt } from "../output/events.ts";
import type { SourceStatistics } from "./source.ts";

/** What the threads of a download spent their time with. */
export interface ThreadTimes {
  hashingMs: number;
  writingMs: number;
}

export interface ReceiptFacts {
  /** Fetched in this run. */
  bytes: number;
  seconds: number;
  bestBytesPerSecond: number;
  /** 0: none. */
  limitBytesPerSecond: number;
  threads: number;
  times: ThreadTimes;
  sources: readonly (SourceStatistics & { host: string; port: number })[];
}

/** A limit that is reached to this part is what holds the download back. */
const limitShare = 0.9;
/** Beside hashing and writing a busy thread receives; that much of its time is not measured. */
const busyShare = 0.5;
/** Of the time of its connections: a source that keeps us waiting for longer is the slow part. */
const waitingShare = 0.25;

export function receiptOf(facts: ReceiptFacts): Receipt {
  const { bytes, seconds, times, bestBytesPerSecond } = facts;
  const bytesPerSecond = seconds > 0 ? bytes / seconds : 0;
  return {
    bytesPerSecond: Math.round(bytesPerSecond),
    bestBytesPerSecond: Math.round(Math.max(bytesPerSecond, bestBytesPerSecond)),
    ...bottleneckOf(facts, bytesPerSecond),
    hashingSeconds: rounded(times.hashingMs),
    writingSeconds: rounded(times.writingMs),
  };
}

export function sourceReceiptOf(source: ReceiptFacts["sources"][number]): CompleteSource {
  const { host, port, bytes, badChunks, stalls, busyAnswers, connectionsMade, silentMs } = source;
  const activeMs = (source.lastByteMs ?? 0) - (source.firstByteMs ?? 0);
  return {
    host,
    port,
    bytes,
    badChunks,
    bytesPerSecond: activeMs > 0 ? Math.round((bytes * 1000) / activeMs) : 0,
    stalls,
    busyAnswers,
    connections: connectionsMade,
    waitedSeconds: rounded(silentMs),
  };
}

function bottleneckOf(
  { seconds, limitBytesPerSecond, threads, times, sources }: ReceiptFacts,
  bytesPerSecond: number,
): Pick<Receipt, "bottleneck" | "because"> {
  if (limitBytesPerSecond > 0 && bytesPerSecond >= limitShare * limitBytesPerSecond) {
    return { bottleneck: "limit", because: "--down allows no more" };
  }
  const allMs = Math.max(1, seconds * 1000 * threads);
  const { hashingMs, writingMs } = times;
  if (hashingMs + writingMs >= busyShare * allMs) {
    const isDisk = writingMs > hashingMs;
    const share = percent((isDisk ? writingMs : hashingMs) / allMs);
    const what = isDisk ? "writing" : "hashing";
    return { bottleneck: isDisk ? "disk" : "hashing", because: `${what} took ${share} of the threads' time` };
  }
  const used = sources.filter(({ bytes }) => bytes > 0);
  const busy = used.reduce((sum, { busyAnswers }) => sum + busyAnswers, 0);
  const silentMs = used.reduce((sum, each) => sum + each.silentMs / Math.max(1, each.connectionsMade), 0);
  const waited = silentMs / Math.max(1, seconds * 1000 * used.length);
  if (waited >= waitingShare) {
    return {
      bottleneck: "source",
      because: `for ${percent(waited)} of the time nothing came of what was asked`,
    };
  }
  if (busy > 0)
    return {
      bottleneck: "source",
      because: `it had too much to do ${busy === 1 ? "once" : `${busy} times`}`,
    };
  return {
    bottleneck: "network",
    because: "what came, came without a pause: the line, or a limit of the source",
  };
}

function percent(share: number): string {
  return `${Math.round(100 * Math.min(1, share))} %`;
}

function rounded(ms: number): number {
  return Math.round(ms) / 1000;
}
