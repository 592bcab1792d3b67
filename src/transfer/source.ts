/**
 * What a download remembers of each source, of each connection to it and of each request on its way. Data; who may be
 * asked is decided by the source table, what is asked by the request plan, what follows from silence in `debts.ts`.
 */
import type { Bitfield } from "../content/bitfield.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import { RateMeter } from "./rate-meter.ts";

/** Why a source is not asked again in this download. */
export type Exclusion = "wrong data" | "gone" | "another machine";

export interface SourceAddress {
  host: string;
  port: number;
  /** In a private network: who has to answer there. */
  fingerprint?: Fingerprint | undefined;
  /** It has not the whole content: ask which chunks. */
  partial: boolean;
  /** Which chunks it has, where each is a file of its own (`chunk-map.ts`): then the index says so, and nobody else. */
  files?: Bitfield | undefined;
}

/** What is told of a source when the download is over; decides nothing. */
export interface SourceStatistics {
  /** Verified bytes that were counted as its own. */
  bytes: number;
  badChunks: number;
  /** How often it was silent for too long. */
  stalls: number;
  /** Connections that were begun. */
  connectionsMade: number;
  /** How often it said BUSY. */
  busyAnswers: number;
  /** Sums over its connections: something was owed and nothing came; nothing was owed. */
  silentMs: number;
  idleMs: number;
  /** Of chunks and hashes; undefined: none came. */
  firstByteMs: number | undefined;
  lastByteMs: number | undefined;
}

export interface Source extends SourceAddress, SourceStatistics {
  readonly key: string;
  /** The newest answer of the index names it. */
  listed: boolean;
  excluded: Exclusion | undefined;
  /** Connections that failed since it last delivered a verified chunk. */
  failures: number;
  /** Not to be connected to before this. */
  retryAtMs: number;
  /** Not to be asked for chunks before this: it said BUSY. */
  busyUntilMs: number;
  connections: number;
  /** Chunks that its connections were asked for and have not delivered. */
  owedChunks: number;
  /** Chunks it has; undefined: all of them. Known while it is connected; of files it is `files`, always. */
  held: Bitfield | undefined;
  /** How many of `held` are missing here. */
  useful: number;
  /** Where to go on among `files`. */
  nextFile: number;
  /** Files that it was said to have and has not; undefined: there was none. */
  lacking: Bitfield | undefined;
  /** `freed` of the picker when there was nothing to ask it for; undefined: it has something new since. */
  barrenAt: number | undefined;
  /** Chunks that it has sent to anybody, or is about to; undefined: it did not say. */
  sent: Bitfield | undefined;
  /** It has sent something that we did not ask for: others fetch from it now. */
  isShared: boolean;
}

/** A request on its way: some chunks of one range, those delivered already taken out. */
export interface Request {
  readonly id: number;
  readonly chunks: Set<number>;
}

export interface SourceConnection {
  readonly id: number;
  readonly source: Source;
  readonly openedMs: number;
  ready: boolean;
  /** To the source and back, as far as its being made tells. */
  roundTripMs: number;
  /** Since when it has owed us something and been silent: opened, asked, or heard last. */
  quietSinceMs: number;
  /** Since when it has owed chunks and delivered none. */
  chunklessSinceMs: number;
  /** Since when it is ready and owes nothing; undefined: it is not, or it does. */
  idleSinceMs: number | undefined;
  /** Bytes that came since it is quiet, too few to count. */
  unheardBytes: number;
  /** Silent for so long that others may have what it was asked for. */
  stalled: boolean;
  /** It was asked for the chunk hashes and has not answered. */
  owesHashes: boolean;
  /** It was asked which chunks the source has, and tells what changes. */
  subscribed: boolean;
  /** It has delivered at least one verified chunk. */
  proven: boolean;
  /** To be closed once nothing is owed: a source without a connection waits for its place. */
  retiring: boolean;
  /** Chunks that it was asked for and has not delivered. */
  owedChunks: number;
  /** What one takes it: of the last ones, the newest counting as much as all before. Undefined: there was none. */
  chunkMs: number | undefined;
  readonly requests: Map<number, Request>;
  readonly rate: RateMeter;
}

/** Whether the source may have something that is missing here, as far as that is known without asking it. */
export function mayBeUseful({ files, useful }: Source): boolean {
  return files === undefined || useful > 0;
}

/** One machine after another may have an address, each with a key of its own. */
export function keyOf({
  host,
  port,
  fingerprint,
}: Pick<SourceAddress, "host" | "port" | "fingerprint">): string {
  return fingerprint === undefined ? `${host} ${port}` : `${host} ${port} ${fingerprint}`;
}

export function newSource(key: string, address: SourceAddress): Source {
  const { host, port, fingerprint, partial, files } = address;
  return {
    key,
    host,
    port,
    fingerprint,
    partial,
    files,
    listed: true,
    excluded: undefined,
    failures: 0,
    retryAtMs: Number.NEGATIVE_INFINITY,
    busyUntilMs: Number.NEGATIVE_INFINITY,
    connections: 0,
    owedChunks: 0,
    held: files,
    useful: 0,
    nextFile: 0,
    lacking: undefined,
    barrenAt: undefined,
    sent: undefined,
    isShared: false,
    bytes: 0,
    badChunks: 0,
    stalls: 0,
    connectionsMade: 0,
    busyAnswers: 0,
    silentMs: 0,
    idleMs: 0,
    firstByteMs: undefined,
    lastByteMs: undefined,
  };
}

export function newConnection(id: number, source: Source, nowMs: number): SourceConnection {
  return {
    id,
    source,
    openedMs: nowMs,
    ready: false,
    roundTripMs: 0,
    quietSinceMs: nowMs,
    chunklessSinceMs: nowMs,
    idleSinceMs: undefined,
    unheardBytes: 0,
    stalled: false,
    owesHashes: false,
    subscribed: false,
    proven: false,
    retiring: false,
    owedChunks: 0,
    chunkMs: undefined,
    requests: new Map(),
    rate: new RateMeter(nowMs),
  };
}
