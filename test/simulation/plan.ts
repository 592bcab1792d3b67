/**
 * What a simulated world is made of: the content, the sources with all that is wrong with them, the index. A plan is
 * data: written by hand for a named scenario, or drawn from a seed (seed-plan.ts).
 */

/** From the first moment to before the second, in virtual milliseconds. */
export type Span = readonly [fromMs: number, toMs: number];

export const always: Span = [0, Number.POSITIVE_INFINITY];

/**
 * `chunks`: every chunk is wrong; `one-chunk`: that one; `hashes`: the chunk hashes do not add up; `answers`: it sends
 * what was not asked for.
 */
export type Lie = { kind: "chunks" | "hashes" | "answers" } | { kind: "one-chunk"; chunk: number };

export interface SourcePlan {
  host: string;
  latencyMs: number;
  /** Of all its connections together. */
  bytesPerMs: number;
  /** How long until it says WELCOME; infinity: never. */
  welcomeMs: number;
  /** It refuses connections then. */
  refusing: Span[];
  /** It sends nothing then, and keeps what it should send. */
  silent: Span[];
  /** Mean life of a connection before it is lost. */
  connectionLifeMs: number;
  lie: Lie | undefined;
  /** From then on it says GONE. */
  goneFromMs: number;
  /** The process runs then; connections are refused before and cut after. */
  running: Span;
  /** The index names it then. */
  listed: Span;
  /** When it has each chunk; undefined: it has all of them and is no partial source. */
  heldFromMs: number[] | undefined;
  /** When it says of each chunk that it has been sent to somebody; undefined: it does not know such things. */
  sentFromMs: number[] | undefined;
  /** It answers BUSY then. */
  busy: { spans: Span[]; retryMs: number };
}

export interface WorldPlan {
  seed: number;
  sizeBytes: number;
  /** Chunks that an earlier run left. */
  verified: number[];
  needsHashes: boolean;
  maxRequestChunks: number;
  maxConnections: number;
  /** In order, so many ahead. */
  windowChunks: number | undefined;
  timeoutMs: number;
  /** Of the downloader's own line. */
  downlinkBytesPerMs: number;
  sources: SourcePlan[];
  index: {
    answerMs: number;
    /** It names so many sources at most; more are a sample of that size. */
    maxSources: number;
    away: Span[];
    /** It takes the question then and never answers. */
    mute: Span[];
  };
  /** With an honest source that is there all the time: by then the download is complete, or something is wrong. */
  completeByMs: number | undefined;
}

export const mebibyte = 1024 * 1024;

/** An honest source on a fast line; what is different is given. */
export function sourcePlan(host: string, different: Partial<SourcePlan> = {}): SourcePlan {
  return {
    host,
    latencyMs: 5,
    bytesPerMs: 10_000,
    welcomeMs: 5,
    refusing: [],
    silent: [],
    connectionLifeMs: Number.POSITIVE_INFINITY,
    lie: undefined,
    goneFromMs: Number.POSITIVE_INFINITY,
    running: always,
    listed: always,
    heldFromMs: undefined,
    sentFromMs: undefined,
    busy: { spans: [], retryMs: 500 },
    ...different,
  };
}

/** A whole download of a content of so many chunks; what is different is given. */
export function worldPlan(
  chunks: number,
  sources: SourcePlan[],
  different: Partial<WorldPlan> = {},
): WorldPlan {
  return {
    seed: 1,
    sizeBytes: chunks * mebibyte,
    verified: [],
    needsHashes: false,
    maxRequestChunks: 4,
    maxConnections: 8,
    windowChunks: undefined,
    timeoutMs: 30_000,
    downlinkBytesPerMs: 100_000,
    sources,
    index: { answerMs: 5, maxSources: 64, away: [], mute: [] },
    completeByMs: undefined,
    ...different,
  };
}

export function isWithin(spans: readonly Span[], nowMs: number): boolean {
  return spans.some(([fromMs, toMs]) => fromMs <= nowMs && nowMs < toMs);
}

/** When none of the spans holds any more. */
export function endOf(spans: readonly Span[], nowMs: number): number {
  const current = spans.find(([fromMs, toMs]) => fromMs <= nowMs && nowMs < toMs);
  return current === undefined ? nowMs : endOf(spans, current[1]);
}
