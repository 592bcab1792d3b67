/**
 * What `p2p query` is while it runs: a client of the index, and a source of what it has fetched so far. It listens only
 * once there is something to serve.
 */
import { dirname } from "node:path";
import { IndexError } from "./errors.ts";
import { Announcer } from "./library/announcer.ts";
import { hashOneFile } from "./library/hash-one-file.ts";
import { identityAt } from "./library/identity-at.ts";
import { realPlaceOf } from "./library/walked-folder.ts";
import type { IndexClient } from "./net/index-client.ts";
import { IndexLink } from "./net/index-link.ts";
import type { RateLimit } from "./net/rate-limit.ts";
import { Stopper, unlessAborted } from "./shutdown.ts";
import { RunningDownloads } from "./transfer/running-downloads.ts";
import type { OfferedDownload } from "./transfer/shared-store.ts";
import type { UploadLimits } from "./transfer/upload-limits.ts";
import type { PartialOffer } from "./transfer/upload-messages.ts";
import { Uploader } from "./transfer/uploader.ts";
import type { Network } from "./trust/network.ts";
import { lastPart } from "./wire/file-name.ts";
import type { FileEntry } from "./wire/messages.ts";

export interface QueryNodeOptions {
  network: Network;
  /** Starting does not fail when there is none, which is then awaited. */
  waitForIndex: boolean;
  /** Where it listens, on any free port. */
  host: string;
  threads: number;
  uploadLimits: UploadLimits;
  upLimit: RateLimit;
  /** One line for the user, already printable. */
  onNotice: (line: string) => void;
}

export class QueryNode {
  private readonly stopper: Stopper;
  private readonly link: IndexLink;
  private readonly announcer: Announcer;
  private serving: Promise<RunningDownloads | undefined> | undefined;
  private uploader: Uploader | undefined;
  private stopping: Promise<void> | undefined;

  private constructor(private readonly options: QueryNodeOptions) {
    const { network, onNotice } = options;
    this.stopper = new Stopper(onNotice);
    this.announcer = new Announcer({ settled: () => {}, updated: () => {}, notice: onNotice });
    this.link = new IndexLink({
      network,
      onUp: (client) => this.announce(client),
      onDown: () => this.announcer.stop(),
      onNotice,
    });
  }

  /** Throws IndexError when the index cannot be reached and is not waited for, and the reason of `signal`. */
  static async start(options: QueryNodeOptions, signal: AbortSignal): Promise<QueryNode> {
    const node = new QueryNode(options);
    node.stopper.add("the connection to the index", () => node.link.stop());
    node.stopper.add("announcing", () => node.announcer.stop());
    try {
      await unlessAborted(node.link.start(options.waitForIndex), signal);
      return node;
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  get network(): Network {
    return this.options.network;
  }

  /** Throws IndexError while it cannot be reached. */
  get index(): IndexClient {
    const { client } = this.link;
    if (client === undefined) throw new IndexError("the index cannot be reached at the moment");
    return client;
  }

  get servedBytes(): number {
    return this.uploader?.servedBytes ?? 0;
  }

  /** Lets others have what there is of a running download. Never rejects. */
  async share(
    name: string,
    content: Omit<FileEntry, "name">,
    offer: PartialOffer,
  ): Promise<OfferedDownload | undefined> {
    this.serving ??= this.serve();
    const serving = await this.serving;
    return serving?.begin(name, content, offer);
  }

  /** Serves the complete file at `path`, unless it does so already. Resolves when it can be found. */
  async shareWhole(
    name: string,
    content: Omit<FileEntry, "name">,
    { path, chunkHashes }: { path: string; chunkHashes: Uint8Array | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    this.serving ??= this.serve();
    const serving = await this.serving;
    if (serving?.servesWhole(name, content.root)) return;
    const known =
      chunkHashes === undefined
        ? await hashedAgain(path, content, signal)
        : { identity: identityAt(path), chunkHashes };
    if (serving === undefined || known?.identity === undefined) {
      this.options.onNotice(`cannot serve ${lastPart(name)}: it is not what was fetched any more`);
      return;
    }
    const { sizeBytes, root } = content;
    const { identity } = known;
    const place = realPlaceOf(path);
    const file = { folder: dirname(place), path: place, root, sizeBytes, trusted: true };
    await serving.serveWhole(name, content, { ...file, identity, chunkHashes: known.chunkHashes });
  }

  /** Idempotent. Never rejects. */
  stop(): Promise<void> {
    this.stopping ??= this.stopper.stop();
    return this.stopping;
  }

  /** Undefined, and one line, when it cannot listen: the download itself does not suffer. */
  private async serve(): Promise<RunningDownloads | undefined> {
    const { host, threads, uploadLimits, upLimit, onNotice } = this.options;
    try {
      const uploader = await Uploader.start({
        host,
        port: 0,
        anyPortIfTaken: false,
        threads,
        limits: uploadLimits,
        limit: upLimit,
        membership: this.options.network.membership,
        gate: this.options.network.gate,
        contentOf: (root) => downloads.offerOf(root),
        onChanged: () => {},
        onFailed: (error) => onNotice(error.message),
      });
      const downloads = new RunningDownloads(uploader, this.announcer);
      this.stopLater(uploader);
      this.uploader = uploader;
      this.announcer.complete();
      if (this.link.client !== undefined) this.announce(this.link.client);
      return downloads;
    } catch (error) {
      onNotice(`others cannot fetch from here meanwhile: ${error instanceof Error ? error.message : error}`);
      return undefined;
    }
  }

  /** At once when everything is being stopped already. */
  private stopLater(uploader: Uploader): void {
    if (this.stopping === undefined) this.stopper.add("serving", () => uploader.stop());
    else void uploader.stop();
  }

  private announce(client: IndexClient): void {
    if (this.uploader !== undefined) this.announcer.connected(client, this.uploader.port);
  }
}

/** Undefined when it is not that content any more. Rejects with the signal's reason and nothing else. */
async function hashedAgain(path: string, { sizeBytes, root }: Omit<FileEntry, "name">, signal: AbortSignal) {
  const outcome = await hashOneFile(path, sizeBytes, signal);
  return outcome.kind === "hashed" && outcome.hashes.root === root ? outcome.hashes : undefined;
}
