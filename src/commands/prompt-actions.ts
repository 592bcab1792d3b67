/** What the verbs of the prompt do on a running peer. Reading them is `prompt/`; each says its result itself. */

import { formatAddress } from "../address.ts";
import { monotonicMs } from "../clock.ts";
import { IndexError } from "../errors.ts";
import type { IndexClient } from "../net/index-client.ts";
import type { RateLimit } from "../net/rate-limit.ts";
import { formatDuration, formatPercent, formatRate } from "../output/format.ts";
import type { PeerNode } from "../peer-node.ts";
import type { LimitChange } from "../prompt/parse.ts";
import type { PromptActions } from "../prompt/prompt.ts";
import { unlessAborted } from "../shutdown.ts";
import type { Meant } from "../transfer/choose-content.ts";
import { fetchByName, type TransferOptions } from "../transfer/fetch.ts";
import { fetchFolder, meansMany } from "../transfer/fetch-folder.ts";
import { targetInFolder } from "../transfer/target.ts";
import { defaultMatchesPerSearch } from "../wire/limits.ts";
import type { Match } from "../wire/messages.ts";
import type { CommandContext } from "./context.ts";
import { FetchOutput } from "./fetch-output.ts";
import { FolderOutput } from "./folder-output.ts";
import { listFolder } from "./ls.ts";
import { listPeers } from "./peers.ts";
import { searchText, showMatches } from "./search.ts";
import { setRate } from "./shared-args.ts";
import { showStats } from "./stats.ts";
import { worstOf } from "./worst.ts";

export interface PeerPromptOptions {
  node: PeerNode;
  folder: string;
  host: string;
  transfer: TransferOptions;
  /** Of all uploads; that of all downloads is in `transfer`. */
  upLimit: RateLimit;
  context: CommandContext;
}

/** Names for Tab, the newest ones: more than that nobody looks through. */
const maxSeenNames = 1_000;

const anyContent: Meant = { rootPrefix: undefined, sizeBytes: undefined };

export class PeerPromptActions implements PromptActions {
  private readonly startMs = monotonicMs();
  private readonly seen = new Set<string>();
  private downloads = 0;
  private downloadedBytes = 0;

  constructor(private readonly options: PeerPromptOptions) {}

  async query(name: string, signal: AbortSignal): Promise<void> {
    this.downloads++;
    try {
      const isMany = await meansMany(name, () => this.index(), signal);
      await (isMany ? this.fetchFolder(name, signal) : this.fetchOne(name, signal));
    } finally {
      this.downloads--;
    }
  }

  private async fetchFolder(pattern: string, signal: AbortSignal): Promise<void> {
    const { folder, transfer, context, node } = this.options;
    const said = new FolderOutput(pattern, context);
    try {
      const fetched = await fetchFolder(
        {
          pattern,
          meant: anyContent,
          output: folder,
          force: false,
          transfer,
          share: (name, content, offer) => node.share(name, content, offer),
          index: () => this.index(),
          signal,
        },
        said,
      );
      said.close();
      said.complete(fetched);
      this.count(fetched.sources);
      const worst = worstOf(fetched);
      if (worst !== undefined) throw worst;
    } finally {
      said.close();
    }
  }

  private async fetchOne(name: string, signal: AbortSignal): Promise<void> {
    const { folder, transfer, context } = this.options;
    const said = new FetchOutput(name, context);
    try {
      const fetched = await fetchByName(
        {
          name,
          meant: anyContent,
          target: () => targetInFolder(folder, name),
          force: false,
          transfer,
          share: (content, offer) => this.options.node.share(name, content, offer),
          index: () => this.index(),
          signal,
        },
        said,
      );
      said.close();
      said.complete(fetched);
      this.count(fetched.report.sources);
      this.remember([name]);
    } finally {
      said.close();
    }
  }

  async search(words: string, signal: AbortSignal): Promise<void> {
    const { output, log } = this.options.context;
    const context = { output, log, signal };
    const remember = ({ name }: Match) => this.remember([name]);
    const text = searchText(words);
    await unlessAborted(showMatches(this.index(), text, defaultMatchesPerSearch, context, remember), signal);
  }

  async ls(folder: string, signal: AbortSignal): Promise<void> {
    const { output } = this.options.context;
    await unlessAborted(listFolder(this.index(), folder || "/", true, { output, signal }), signal);
  }

  async peers(signal: AbortSignal): Promise<void> {
    const { output, log } = this.options.context;
    await unlessAborted(listPeers(this.index(), { output, log, signal }), signal);
  }

  async stats(signal: AbortSignal): Promise<void> {
    await unlessAborted(showStats(this.index(), this.options.context), signal);
  }

  list(): void {
    const { node, context } = this.options;
    const files = [...node.files()].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const { name, sizeBytes, md5, root } of files) {
      context.output.event({ event: "file", name, size: sizeBytes, md5, root });
    }
  }

  status(): void {
    const { node, host, folder, context } = this.options;
    const { connections, bytes } = node.uploads;
    context.output.event({
      event: "status",
      host,
      port: node.port,
      folder,
      files: node.fileCount,
      bytes: node.totalBytes,
      hashing: node.hashing === undefined ? 0 : node.hashing.totalFiles - node.hashing.files,
      indexes: node.indexes.map(({ address, connected }) => ({ index: formatAddress(address), connected })),
      uploads: connections,
      uploadedBytes: bytes,
      downloads: this.downloads,
      downloadedBytes: this.downloadedBytes,
      uptimeSeconds: Math.round((monotonicMs() - this.startMs) / 1000),
    });
  }

  limit(change: LimitChange | undefined): void {
    const { upLimit, transfer, context } = this.options;
    const down = transfer.limit;
    if (change !== undefined) setRate(change.direction === "up" ? upLimit : down, change.bytesPerSecond);
    context.output.event({
      event: "limits",
      up: upLimit.bytesPerSecond || null,
      down: down.bytesPerSecond || null,
    });
  }

  *names(): Iterable<string> {
    yield* this.seen;
    for (const { name } of this.options.node.files()) yield name;
  }

  activity(): string | undefined {
    const { hashing } = this.options.node;
    if (hashing === undefined) return undefined;
    const { files, totalFiles, bytes, totalBytes, bytesPerSecond, secondsLeft } = hashing;
    const left = secondsLeft === undefined ? "" : `, ${formatDuration(secondsLeft)} left`;
    const share = formatPercent(bytes, totalBytes);
    return `hashing ${files}/${totalFiles} files, ${share}, ${formatRate(bytesPerSecond)}${left}`;
  }

  private count(sources: readonly { bytes: number }[]): void {
    for (const { bytes } of sources) this.downloadedBytes += bytes;
  }

  private index(): IndexClient {
    const { index } = this.options.node;
    if (index === undefined)
      throw new IndexError("the index cannot be reached at the moment; trying to get it back");
    return index;
  }

  private remember(names: readonly string[]): void {
    for (const name of names) {
      this.seen.delete(name);
      this.seen.add(name);
    }
    for (const name of this.seen) {
      if (this.seen.size <= maxSeenNames) break;
      this.seen.delete(name);
    }
  }
}
