/**
 * Downloads of this process that others may fetch from meanwhile, and afterwards: offered by the uploader, announced to
 * the index. Shared by a peer, which shares a folder beside them, and by a query, which shares nothing else.
 */
import { dirname } from "node:path";
import type { Announcer } from "../library/announcer.ts";
import { identityAt } from "../library/identity-at.ts";
import type { FileName } from "../wire/file-name.ts";
import type { FileEntry } from "../wire/messages.ts";
import type { ServedFileOptions } from "./served-file.ts";
import type { OfferedDownload } from "./shared-store.ts";
import type { PartialOffer } from "./upload-messages.ts";
import type { Uploader } from "./uploader.ts";

export class RunningDownloads {
  private readonly offers = new Map<string, PartialOffer>();
  /** Roots of those served whole, by name. */
  private readonly whole = new Map<string, string>();

  constructor(
    private readonly uploader: Uploader,
    private readonly announcer: Announcer,
  ) {}

  /** For the uploader. */
  offerOf(root: string): PartialOffer | undefined {
    return this.offers.get(root);
  }

  /** `name` is what it was asked for by. Undefined when the content is being offered already. */
  begin(name: string, content: Omit<FileEntry, "name">, offer: PartialOffer): OfferedDownload | undefined {
    const { root } = offer;
    if (this.offers.has(root)) return undefined;
    this.offers.set(root, offer);
    const entry = entryOf(name, content);
    this.announcer.downloading(entry);
    return {
      have: () => this.uploader.haveChunk(root),
      over: (path) => this.over(entry, offer, path),
    };
  }

  servesWhole(name: string, root: string): boolean {
    return this.whole.get(name) === root;
  }

  /** Serves a complete file that was not offered before. */
  async serveWhole(name: string, content: Omit<FileEntry, "name">, file: ServedFileOptions): Promise<void> {
    await this.uploader.becameWhole(content.root, file);
    const entry = entryOf(name, content);
    this.announcer.downloading(entry);
    this.announcer.downloaded(entry.name);
    this.whole.set(name, content.root);
  }

  private async over({ name }: FileEntry, offer: PartialOffer, path: string | undefined): Promise<void> {
    const { root, sizeBytes, chunkHashes } = offer;
    this.offers.delete(root);
    const identity = path === undefined ? undefined : identityAt(path);
    if (path === undefined || identity === undefined) {
      this.announcer.downloadEnded(name);
      await this.uploader.forget(root);
      return;
    }
    const file = { folder: dirname(path), path, identity, root, sizeBytes, chunkHashes, trusted: true };
    await this.uploader.becameWhole(root, file);
    this.announcer.downloaded(name);
    this.whole.set(name, root);
  }
}

/** Found under the name it was asked for: with a `/` the whole, else the last part, as the index compares it. */
function entryOf(name: string, { sizeBytes, md5, root }: Omit<FileEntry, "name">): FileEntry {
  // The index has answered for it, so it is a legal one.
  return { name: name as FileName, sizeBytes, md5, root };
}
