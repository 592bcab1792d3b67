/**
 * Many files of at most one chunk, as one download: each file is a chunk of it, so that they share its connections,
 * its pipelines and its sources, and no file waits for another one.
 */

import { Bitfield } from "../content/bitfield.ts";
import type { IndexClient } from "../net/index-client.ts";
import { unlessAborted } from "../shutdown.ts";
import type { ListedFile, Source } from "../wire/messages.ts";
import type { FileToFetch } from "./chunk-home.ts";
import { type ChunkMap, mapOfFiles } from "./chunk-map.ts";
import type { DownloadReport, EngineOptions, KnownSources, SourceFinder } from "./download.ts";
import type { DownloadStore } from "./download-store.ts";
import type { DownloadThreads } from "./download-threads.ts";
import { Downloader } from "./downloader.ts";
import { removeDraft, type StoreFailure } from "./drafts.ts";
import { FileNaming } from "./file-naming.ts";
import type { FolderTarget } from "./folder-targets.ts";
import type { SourceAddress } from "./source.ts";
import { keyOf } from "./source.ts";

export interface SmallFilesOptions extends Omit<EngineOptions, "sources"> {
  /** As LIST takes it. */
  pattern: string;
  targets: readonly FolderTarget[];
  /** Different files in their place are replaced. */
  replace: boolean;
  pool: DownloadThreads;
  /** Throws IndexError while there is none. */
  index: () => IndexClient;
  onStored: (target: FolderTarget) => void;
  onNotStored: (target: FolderTarget, failure: StoreFailure) => void;
}

type FileSource = SourceAddress & { files: Bitfield };

/** Asked for at once when nobody is left: what they do not name, nobody has. */
const pagesInTheEnd = 8;

/** Never rejects. `failure` says why the files that were told neither stored nor not stored are not there. */
export async function fetchSmallFiles(
  options: SmallFilesOptions,
): Promise<{ report: DownloadReport; failure: unknown }> {
  const { pattern, targets, pool, index, signal } = options;
  const files = new SmallFiles(options);
  const sources = new SourcesOfFiles(pattern, targets, (at) => files.isMissing(at), index, signal);
  const downloader = new Downloader({ ...options, sources }, files, pool);
  try {
    return { report: await downloader.run(), failure: undefined };
  } catch (failure) {
    return { report: downloader.report(), failure };
  } finally {
    await files.close(signal);
  }
}

class SmallFiles implements DownloadStore {
  readonly name = "files";
  readonly chunks: ChunkMap;
  readonly sink = undefined;
  readonly windowChunks = undefined;
  readonly chunksOnDisk = 0;
  private readonly over: Bitfield;
  /** Of requests of which nothing has come yet. */
  private readonly drafts = new Map<number, string>();
  private readonly naming = new FileNaming();
  /** Of which nothing more is to come: they lie in their drafts, or could not be stored. */
  private came = 0;
  private readonly all = Promise.withResolvers<void>();

  constructor(private readonly options: SmallFilesOptions) {
    const { targets } = options;
    const map = mapOfFiles(targets.map(({ file: { root, sizeBytes }, path }) => ({ root, sizeBytes, path })));
    this.chunks = { ...map, fileOf: (chunk, request) => this.asked(request, map.fileOf(chunk, request)) };
    this.over = new Bitfield(targets.length);
    this.naming.ended.catch((error: unknown) => this.all.reject(error));
    // It may be rejected before anybody waits for it.
    this.all.promise.catch(() => {});
  }

  /** Resolves when each has its name, or cannot have it; rejects when nothing more can be stored. */
  get finished(): Promise<void> {
    return this.all.promise;
  }

  isMissing(chunk: number): boolean {
    return !this.over.has(chunk);
  }

  readChunkHashes(): undefined {}
  saveChunkHashes(): void {}
  follow(): void {}
  abandon(): void {}

  /** It lies in its draft. */
  keep(chunk: number, _isNew: boolean, request: number): void {
    const { targets, replace } = this.options;
    const draft = this.drafts.get(request);
    if (draft === undefined) throw new Error(`a file came by request ${request}, which was not made`);
    this.drafts.delete(request);
    const { path } = targets[chunk]!;
    this.naming.add({ draft, path, replace, named: (failure) => this.named(chunk, failure) });
    this.count();
  }

  keptTwice(_chunk: number, request: number): void {
    const draft = this.drafts.get(request);
    this.drafts.delete(request);
    if (draft !== undefined) removeDraft(draft);
  }

  notStored(chunk: number, failure: StoreFailure): void {
    this.named(chunk, failure);
    this.count();
  }

  /** What is verified gets its name, however the download ended; nothing else is left. */
  async close(signal: AbortSignal): Promise<void> {
    await this.naming.close(signal);
    for (const draft of this.drafts.values()) removeDraft(draft);
  }

  private asked(request: number, file: FileToFetch | undefined): FileToFetch | undefined {
    if (file !== undefined) this.drafts.set(request, file.draft);
    return file;
  }

  private count(): void {
    if (++this.came === this.options.targets.length) this.naming.hurry();
  }

  private named(chunk: number, failure: StoreFailure | undefined): void {
    if (!this.over.add(chunk)) return;
    const target = this.options.targets[chunk]!;
    if (failure === undefined) this.options.onStored(target);
    else this.options.onNotStored(target, failure);
    if (this.over.isFull) this.all.resolve();
  }
}

/** Who has which of the files: as the index listed it, and what it says of those that stay missing. */
class SourcesOfFiles implements SourceFinder {
  readonly known: KnownSources;
  private next = 0;
  private places: Map<string, number> | undefined;

  constructor(
    private readonly pattern: string,
    private readonly targets: readonly FolderTarget[],
    private readonly isMissing: (at: number) => boolean,
    private readonly index: () => IndexClient,
    private readonly signal: AbortSignal,
  ) {
    this.known = this.collect(targets.map(({ file }, at) => ({ at, file })));
  }

  /** Has the next ones of those that are missing listed again, round and round; in the end as many as may matter. */
  async ask(nobodyIsLeft: boolean): Promise<KnownSources> {
    const found: { at: number; file: ListedFile }[] = [];
    const unasked = this.missing();
    for (let pages = nobodyIsLeft ? pagesInTheEnd : 1; pages > 0 && unasked.size > 0; pages--) {
      const after = justBefore(this.nameAt(firstFrom(unasked, this.next)));
      const page = await unlessAborted(this.index().listPage(this.pattern, after), this.signal);
      for (const file of page.files) {
        const at = this.placeOf(file);
        if (at !== undefined) found.push({ at, file });
      }
      for (const at of unasked) {
        const name = this.nameAt(at);
        if (name <= after || (page.next !== undefined && name > page.next)) continue;
        unasked.delete(at);
        this.next = at + 1;
      }
    }
    const { addresses, whole } = this.collect(found);
    return { addresses, whole: whole && unasked.size === 0 };
  }

  follow(): void {}

  private missing(): Set<number> {
    const missing = new Set<number>();
    for (let at = 0; at < this.targets.length; at++) if (this.isMissing(at)) missing.add(at);
    return missing;
  }

  private nameAt(at: number): string {
    return this.targets[at]!.file.name;
  }

  /** Undefined when it is none of ours, or another content by now. */
  private placeOf({ name, root, sizeBytes }: ListedFile): number | undefined {
    this.places ??= new Map(this.targets.map(({ file }, at) => [file.name, at]));
    const at = this.places.get(name);
    const ours = at === undefined ? undefined : this.targets[at]?.file;
    return ours?.root === root && ours.sizeBytes === sizeBytes ? at : undefined;
  }

  private collect(
    files: readonly { at: number; file: Pick<ListedFile, "sources" | "total"> }[],
  ): KnownSources {
    const byAddress = new Map<string, FileSource>();
    // All files of a page name one and the same object for a source.
    const bySource = new Map<Source, FileSource>();
    let whole = true;
    for (const { at, file } of files) {
      if (file.sources.length < file.total) whole = false;
      for (const listed of file.sources) {
        let source = bySource.get(listed);
        if (source === undefined) {
          const { host, port, fingerprint } = listed;
          const key = keyOf(listed);
          const files = new Bitfield(this.targets.length);
          source = byAddress.get(key) ?? { host, port, fingerprint, partial: false, files };
          byAddress.set(key, source);
          bySource.set(listed, source);
        }
        source.files.add(at);
      }
    }
    return { addresses: [...byAddress.values()], whole };
  }
}

/** A name that comes before that one, and after most of those before it. */
function justBefore(name: string): string {
  return [...name].slice(0, -1).join("");
}

function firstFrom(places: ReadonlySet<number>, from: number): number {
  let least = Number.POSITIVE_INFINITY;
  let next = Number.POSITIVE_INFINITY;
  for (const at of places) {
    least = Math.min(least, at);
    if (at >= from) next = Math.min(next, at);
  }
  return next === Number.POSITIVE_INFINITY ? least : next;
}
