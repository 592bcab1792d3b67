/**
 * A file by its name: asks the index what the name means, looks what is at the target, downloads what is not
 * there. The same for `p2p query` and for QUERY in the prompt; how it is told to people is theirs.
 */
import { monotonicMs } from "../clock.ts";
import { AmbiguousError, IndexError, NotFoundError } from "../errors.ts";
import { PartialFile } from "../library/partial-file.ts";
import type { IndexClient } from "../net/index-client.ts";
import type { RateLimit } from "../net/rate-limit.ts";
import { SourceSubscription } from "../net/source-subscription.ts";
import { printable } from "../printable.ts";
import { unlessAborted } from "../shutdown.ts";
import type { Gate } from "../trust/gate.ts";
import type { Membership } from "../trust/membership.ts";
import { maxNameBytes } from "../wire/limits.ts";
import type { FoundContent } from "../wire/messages.ts";
import { type Meant, meantOf } from "./choose-content.ts";
import { ContentSources } from "./content-sources.ts";
import {
  type Destination,
  type DownloadOptions,
  type DownloadProgress,
  type DownloadReport,
  download,
} from "./download.ts";
import { DownloadThreads } from "./download-threads.ts";
import type { HostLimited } from "./host-limits.ts";
import type { Place } from "./places-below.ts";
import type { OfferedDownload } from "./shared-store.ts";
import { whatIsThere, whyNotReplaced } from "./target.ts";
import type { PartialOffer } from "./upload-messages.ts";

/** How every download of this process is made. */
export interface TransferOptions extends HostLimited {
  requestBytes: number;
  connections: number;
  threads: number;
  timeoutMs: number;
  /** Of all downloads of the process together. */
  limit: RateLimit;
  /** Of the network that sources belong to; undefined: nothing is encrypted. */
  membership: Membership | undefined;
  /** Of that network, who may be a source; undefined: anybody. */
  gate?: Gate | undefined;
  checkSpace: boolean;
}

export interface FetchRequest {
  /** As the user typed it. */
  name: string;
  meant: Meant;
  /** Called once it is known that the name stands for one content. */
  target: () => Place | "stdout";
  force: boolean;
  transfer: TransferOptions;
  /** What the index has just said of it: enough to begin with while the index is away. */
  known?: FoundContent;
  /** The threads of several downloads; undefined: it gets its own. */
  pool?: DownloadThreads;
  /** Lets others have what is there of the content while the rest is being fetched; undefined: they get nothing. */
  share: ((content: FoundContent, offer: PartialOffer) => Promise<OfferedDownload | undefined>) | undefined;
  /** Throws IndexError while there is none. */
  index: () => IndexClient;
  signal: AbortSignal;
}

export interface FetchListener {
  found(content: FoundContent): void;
  /** Followed by an AmbiguousError. */
  ambiguous(contents: readonly FoundContent[]): void;
  /** It is not there yet, and the download begins. */
  planned(plan: FetchPlan): void;
  progress(progress: DownloadProgress): void;
  notice(line: string): void;
  resumed(bytes: number): void;
}

/** What is about to be fetched. */
export interface FetchPlan {
  content: FoundContent;
  /** As the user would write it. */
  path: string;
  /** That an earlier run left, unchecked. */
  partialBytes: number;
}

export interface Fetched {
  content: FoundContent;
  /** As the user would write it. */
  path: string;
  alreadyThere: boolean;
  seconds: number;
  report: DownloadReport;
}

type Placed = Pick<Fetched, "path" | "alreadyThere" | "report">;

/** The contents that may be meant by `name` among those the index has for it, at least one. Throws NotFoundError. */
export function contentsMeant(name: string, found: readonly FoundContent[], meant: Meant): FoundContent[] {
  const contents = meantOf(found, meant);
  if (contents.length > 0) return contents;
  throw new NotFoundError(
    `nobody shares a file named ${printable(name, maxNameBytes)}${described(meant)} ` +
      "(the exact name; a search finds parts of names)",
  );
}

/** No peer can have another name, and the index would not take it for one. */
export function isPossibleName(name: string): boolean {
  return name.isWellFormed() && Buffer.byteLength(name) <= maxNameBytes;
}

function theContent(request: FetchRequest, found: readonly FoundContent[], listener: FetchListener) {
  const { name, meant } = request;
  const contents = contentsMeant(name, found, meant);
  const [content, another] = contents;
  if (content !== undefined && another === undefined) return content;
  listener.ambiguous(contents);
  throw new AmbiguousError(
    `${printable(name, maxNameBytes)} stands for ${contents.length} different contents; ` +
      "choose one by p2p query with --root PREFIX or --size BYTES",
  );
}

/** Throws the P2pError that says why the file is not there. */
export async function fetchByName(request: FetchRequest, listener: FetchListener): Promise<Fetched> {
  const { name, index, signal } = request;
  const startMs = monotonicMs();
  if (!isPossibleName(name)) contentsMeant(name, [], request.meant);
  const subscription = await subscribed(request);
  let sources: ContentSources | undefined;
  try {
    const content = theContent(request, subscription.contents, listener);
    sources = new ContentSources(index, content, subscription, signal);
    listener.found(content);
    const fetched = await fetchContent(content, sources, request, listener);
    return { ...fetched, content, seconds: (monotonicMs() - startMs) / 1000 };
  } finally {
    (sources ?? subscription).end();
  }
}

async function subscribed({ name, known, index, signal }: FetchRequest): Promise<SourceSubscription> {
  try {
    return await unlessAborted(index().subscribe(name), signal);
  } catch (error) {
    if (known === undefined || !(error instanceof IndexError)) throw error;
    return SourceSubscription.ofNobody(name, [known]);
  }
}

async function fetchContent(
  content: FoundContent,
  sources: ContentSources,
  request: FetchRequest,
  listener: FetchListener,
): Promise<Placed> {
  if (request.pool !== undefined) return await fetchInto(content, sources, request.pool, request, listener);
  const pool = new DownloadThreads(request.transfer.threads, false);
  try {
    return await fetchInto(content, sources, pool, request, listener);
  } finally {
    await pool.stop();
  }
}

async function fetchInto(
  content: FoundContent,
  sources: ContentSources,
  pool: DownloadThreads,
  request: FetchRequest,
  listener: FetchListener,
): Promise<Placed> {
  const { transfer, force, share, signal } = request;
  const options: DownloadOptions = {
    ...transfer,
    pool,
    content,
    sources,
    offer: share === undefined ? undefined : (offer) => share(content, offer),
    onProgress: (progress) => listener.progress(progress),
    onNotice: (line) => listener.notice(line),
    onResumed: (bytes) => listener.resumed(bytes),
    signal,
  };
  const target = request.target();
  if (target === "stdout") {
    listener.planned({ content, path: "-", partialBytes: 0 });
    return { path: "-", alreadyThere: false, report: await download(options, toStdout) };
  }
  const { path, shown } = target;
  const there = await whatIsThere(target, content, signal);
  if (there === "same") {
    PartialFile.tidyUp(path, content.root);
    return { path: shown, alreadyThere: true, report: unused(content) };
  }
  const problem = there === "different" ? whyNotReplaced(target, force) : undefined;
  if (problem !== undefined) throw problem;
  listener.planned({ content, path: shown, partialBytes: PartialFile.bytesOnDisk(path, content.root) });
  const { checkSpace } = transfer;
  const report = await download(options, { kind: "file", path, replace: force, checkSpace });
  return { path: shown, alreadyThere: false, report };
}

const toStdout: Destination = { kind: "stream", fd: 1 };

function described({ rootPrefix, sizeBytes }: Meant): string {
  const root = rootPrefix === undefined ? "" : ` with a root that begins with ${rootPrefix}`;
  return sizeBytes === undefined ? root : `${root} of ${sizeBytes} bytes`;
}

/** Nothing was fetched. */
function unused({ sources }: FoundContent): DownloadReport {
  const nothing = {
    bytes: 0,
    badChunks: 0,
    bytesPerSecond: 0,
    stalls: 0,
    busyAnswers: 0,
    connections: 0,
    waitedSeconds: 0,
  };
  return {
    resumedBytes: 0,
    sources: sources.map(({ host, port }) => ({ host, port, ...nothing })),
    receipt: undefined,
  };
}
