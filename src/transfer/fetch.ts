/**
 * A file by its name: asks the index what the name means, looks what is at the target, downloads what is not
 * there. The same for `p2p query` and for QUERY in the prompt; how it is told to people is theirs.
 */
import { monotonicMs } from "../clock.ts";
import { AmbiguousError, NotFoundError } from "../errors.ts";
import { PartialFile, wouldOverwrite } from "../library/partial-file.ts";
import { printable } from "../printable.ts";
import { maxNameBytes } from "../wire/limits.ts";
import type { FoundContent } from "../wire/messages.ts";
import { type Meant, meantOf } from "./choose-content.ts";
import { type DownloadProgress, type DownloadReport, download, type KnownSources } from "./download.ts";
import { type Target, whatIsThere } from "./target.ts";

/** How every download of this process is made. */
export interface TransferOptions {
  requestBytes: number;
  connections: number;
  threads: number;
  timeoutMs: number;
  checkSpace: boolean;
}

export interface FetchRequest {
  /** As the user typed it. */
  name: string;
  meant: Meant;
  /** Called once it is known that the name stands for one content. */
  target: () => Target;
  force: boolean;
  transfer: TransferOptions;
  /** What the index has for a name. */
  ask: (name: string) => Promise<FoundContent[]>;
  signal: AbortSignal;
}

export interface FetchListener {
  found(content: FoundContent): void;
  /** Followed by an AmbiguousError. */
  ambiguous(contents: readonly FoundContent[]): void;
  progress(progress: DownloadProgress): void;
  notice(line: string): void;
  resumed(bytes: number): void;
}

export interface Fetched {
  content: FoundContent;
  /** As the user would write it. */
  path: string;
  alreadyThere: boolean;
  seconds: number;
  report: DownloadReport;
}

/** The contents that may be meant by `name`, at least one. Throws NotFoundError. */
export async function findContents({ name, meant, ask }: Pick<FetchRequest, "name" | "meant" | "ask">) {
  // No peer can have such a name, and the index would not take it for one.
  const isPossible = name.isWellFormed() && Buffer.byteLength(name) <= maxNameBytes;
  const contents = meantOf(isPossible ? await ask(name) : [], meant);
  if (contents.length > 0) return contents;
  const shown = printable(name, maxNameBytes);
  throw new NotFoundError(
    `nobody shares a file named ${shown}${described(meant)} (the exact name; a search finds parts of names)`,
  );
}

async function findContent(request: FetchRequest, listener: FetchListener): Promise<FoundContent> {
  const contents = await findContents(request);
  const [content, another] = contents;
  if (content !== undefined && another === undefined) return content;
  listener.ambiguous(contents);
  throw new AmbiguousError(
    `${printable(request.name, maxNameBytes)} stands for ${contents.length} different contents; ` +
      "choose one by p2p query with --root PREFIX or --size BYTES",
  );
}

/** Throws the P2pError that says why the file is not there. */
export async function fetchByName(request: FetchRequest, listener: FetchListener): Promise<Fetched> {
  const startMs = monotonicMs();
  const content = await findContent(request, listener);
  listener.found(content);
  const target = request.target();
  const there = await whatIsThere(target, content, request.signal);
  const finished = (report: DownloadReport): Fetched => ({
    content,
    path: target.shown,
    alreadyThere: there === "same",
    seconds: (monotonicMs() - startMs) / 1000,
    report,
  });
  if (there === "same") {
    PartialFile.tidyUp(target.path, content.root);
    return finished(unused(content));
  }
  if (there === "different" && !request.force) throw wouldOverwrite(target.shown);
  const report = await download({
    ...request.transfer,
    content,
    target: target.path,
    replace: request.force,
    sources: sourcesOf(content),
    askIndex: async () =>
      sourcesOf((await request.ask(request.name)).find((found) => isSameContent(found, content))),
    onProgress: (progress) => listener.progress(progress),
    onNotice: (line) => listener.notice(line),
    onResumed: (bytes) => listener.resumed(bytes),
    signal: request.signal,
  });
  return finished(report);
}

/** The size belongs to the identity: an index may know several that peers say of one root. */
function isSameContent(one: FoundContent, other: FoundContent): boolean {
  return one.root === other.root && one.sizeBytes === other.sizeBytes;
}

function described({ rootPrefix, sizeBytes }: Meant): string {
  const root = rootPrefix === undefined ? "" : ` with a root that begins with ${rootPrefix}`;
  return sizeBytes === undefined ? root : `${root} of ${sizeBytes} bytes`;
}

function sourcesOf(content: FoundContent | undefined): KnownSources {
  if (content === undefined) return { addresses: [], whole: true };
  return { addresses: content.sources, whole: content.sources.length >= content.total };
}

function unused({ sources }: FoundContent): DownloadReport {
  return {
    resumedBytes: 0,
    sources: sources.map(({ host, port }) => ({ host, port, bytes: 0, badChunks: 0 })),
  };
}
