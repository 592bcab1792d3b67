/**
 * A running peer: library, uploader and announcements, started in order and stopped in reverse. What it says of
 * itself goes to its listener; the prompt and the command line are not its business.
 */
import { mkdirSync } from "node:fs";
import { type Address, formatAddress } from "./address.ts";
import { LocalIoError, reasonOf } from "./errors.ts";
import { Announcer } from "./library/announcer.ts";
import { Library, type ScanProgress, type SharedFile } from "./library/library.ts";
import type { ConnectionLimits } from "./net/connection-limits.ts";
import type { IndexClient } from "./net/index-client.ts";
import { IndexLink } from "./net/index-link.ts";
import type { RateLimit } from "./net/rate-limit.ts";
import { printable } from "./printable.ts";
import { Stopper } from "./shutdown.ts";
import { RunningDownloads } from "./transfer/running-downloads.ts";
import type { OfferedDownload } from "./transfer/shared-store.ts";
import type { UploadLimits } from "./transfer/upload-limits.ts";
import type { PartialOffer } from "./transfer/upload-messages.ts";
import { Uploader } from "./transfer/uploader.ts";
import type { Network } from "./trust/network.ts";
import type { FoundContent } from "./wire/messages.ts";

export interface PeerNodeOptions {
  /** Created when missing. */
  folder: string;
  /** The hash cache's database. */
  cachePath: string;
  host: string;
  port: number;
  /** Nobody asked for the port: any other will do when it is taken. */
  anyPortIfTaken: boolean;
  network: Network;
  /** Where others reach this peer, when it is not where the index sees it; port 0: where it listens. */
  advertise?: Address | undefined;
  /** Wait for an index instead of failing when none can be reached at the start. */
  waitForIndex: boolean;
  threads: number;
  /** Of the connections that others open to get our files. */
  connectionLimits: ConnectionLimits;
  settleMs: number;
  rescanMs: number;
  /** How fast all uploads together may be. */
  upLimit: RateLimit;
  uploadLimits: UploadLimits;
  listener: PeerNodeListener;
}

export interface RegisteredAt {
  index: string;
  files: number;
  bytes: number;
  again: boolean;
  /** In a private network: where the index has found this peer, and others will. */
  foundAt: string | undefined;
}

export interface PeerNodeListener {
  listening(host: string, port: number): void;
  /** The index has accepted all files of the first scan, or (`again`) all files after it had been lost. */
  registered(registered: RegisteredAt): void;
  updated(added: readonly string[], removed: readonly string[]): void;
  /** Files are being hashed. */
  hashing(progress: ScanProgress): void;
  /** None is, any more. */
  hashed(): void;
  /** One line for the user, already printable. */
  notice(line: string): void;
}

export class PeerNode {
  private readonly stopper: Stopper;
  private readonly link: IndexLink;
  private readonly library: Library;
  private readonly announcer: Announcer;
  private uploader: Uploader | undefined;
  private downloads: RunningDownloads | undefined;
  private hashProgress: ScanProgress | undefined;
  private wasRegistered = false;

  private constructor(private readonly options: PeerNodeOptions) {
    const { listener, network, folder, cachePath, threads, settleMs, rescanMs } = options;
    this.stopper = new Stopper((problem) => listener.notice(problem));
    this.announcer = new Announcer({
      settled: (client) => this.onSettled(client),
      updated: (added, removed) => listener.updated(added, removed),
      notice: (line) => listener.notice(line),
    });
    this.link = new IndexLink({
      network,
      onUp: () => this.announce(),
      onDown: () => this.announcer.stop(),
      onNotice: (line) => listener.notice(line),
    });
    this.library = new Library({
      folder,
      cachePath,
      threads,
      settleMs,
      rescanMs,
      listener: {
        changed: (added, removed) => this.announcer.changed(added, removed),
        progress: (progress) => this.onHashing(progress),
        ready: () => this.announcer.complete(),
        notice: (line) => listener.notice(line),
      },
    });
  }

  /**
   * In this order: the index (IndexError when it cannot be reached and nobody wants to wait), the folder and the
   * port (LocalIoError). Resolves when others can fetch; the first scan goes on after that.
   */
  static async start(options: PeerNodeOptions): Promise<PeerNode> {
    const node = new PeerNode(options);
    try {
      await node.start();
      return node;
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  /** 0 before it listens. */
  get port(): number {
    return this.uploader?.port ?? 0;
  }

  /** Undefined while the index cannot be reached. */
  get index(): IndexClient | undefined {
    return this.link.client;
  }

  get indexes(): { address: Address; connected: boolean }[] {
    const connected = this.link.client?.address;
    return this.options.network.indexes.map((address) => ({ address, connected: address === connected }));
  }

  files(): Iterable<SharedFile> {
    return this.library.files();
  }

  get fileCount(): number {
    return this.library.fileCount;
  }

  get totalBytes(): number {
    return this.library.totalBytes;
  }

  /** Undefined while no file is being hashed. */
  get hashing(): ScanProgress | undefined {
    return this.hashProgress;
  }

  /** Downloaders connected now, and bytes they have got, both as of about a second ago. */
  get uploads(): { connections: number; bytes: number } {
    return { connections: this.uploader?.connectionCount ?? 0, bytes: this.uploader?.servedBytes ?? 0 };
  }

  /** Lets others have what there is of a running download. */
  share(name: string, content: FoundContent, offer: PartialOffer): Promise<OfferedDownload | undefined> {
    const isShared = this.library.contentOf(content.root) !== undefined;
    return Promise.resolve(isShared ? undefined : this.downloads?.begin(name, content, offer));
  }

  /** Idempotent. Never rejects. */
  stop(): Promise<void> {
    return this.stopper.stop();
  }

  private async start(): Promise<void> {
    const { host, folder, listener, waitForIndex } = this.options;
    makeFolder(folder);
    this.stopper.add("the connection to the index", () => this.link.stop());
    await this.link.start(waitForIndex);
    this.stopper.add("announcing", () => this.announcer.stop());
    this.stopper.add("sharing the folder", () => this.library.stop());
    await this.library.start();

    const uploader = await this.startUploader();
    this.stopper.add("serving", () => uploader.stop());
    this.uploader = uploader;
    this.downloads = new RunningDownloads(uploader, this.announcer);
    listener.listening(host, uploader.port);
    this.announce();
  }

  private startUploader(): Promise<Uploader> {
    const { host, port, anyPortIfTaken, threads, connectionLimits, uploadLimits, upLimit, listener } =
      this.options;
    return Uploader.start({
      host,
      port,
      anyPortIfTaken,
      threads,
      connectionLimits,
      limits: uploadLimits,
      limit: upLimit,
      membership: this.options.network.membership,
      gate: this.options.network.gate,
      contentOf: (root) => this.library.contentOf(root) ?? this.downloads?.offerOf(root),
      onChanged: (path) => this.library.suspect(path),
      onFailed: (error) => listener.notice(error.message),
    });
  }

  /** Once there is both an index to tell and a port to name. */
  private announce(): void {
    const { client } = this.link;
    const { advertise } = this.options;
    if (client !== undefined && this.uploader !== undefined)
      this.announcer.connected(client, advertise?.port || this.uploader.port, advertise?.host);
  }

  private onHashing(progress: ScanProgress): void {
    const isOver = progress.files === progress.totalFiles;
    this.hashProgress = isOver ? undefined : progress;
    if (isOver) this.options.listener.hashed();
    else this.options.listener.hashing(progress);
  }

  private onSettled(client: IndexClient): void {
    const again = this.wasRegistered;
    this.wasRegistered = true;
    const { options, fileCount, totalBytes } = this;
    const port = options.advertise?.port || this.port;
    const foundAt = client.foundAt === undefined ? undefined : formatAddress({ host: client.foundAt, port });
    const index = formatAddress(client.address);
    options.listener.registered({ index, files: fileCount, bytes: totalBytes, again, foundAt });
  }
}

/** Before anything is started, so that a wrong DIR is said at once. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new LocalIoError(`cannot share ${printable(path)}: ${reasonOf(error)}`, { cause: error });
  }
}
