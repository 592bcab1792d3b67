/**
 * What can be asked of an index and told to it, over one connection. Answers that are not about what was asked end
 * that. How requests and answers go over the connection is index-channel.ts's business.
 */
import { type Address, formatAddress } from "../address.ts";
import { monotonicMs } from "../clock.ts";
import { AuthenticationError, IndexError } from "../errors.ts";
import type { Gate } from "../trust/gate.ts";
import type { Network } from "../trust/network.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import { maxEntriesPerFolder, maxFilesPerList, maxPeersPerPage } from "../wire/limits.ts";
import type {
  FileEntry,
  FoundContent,
  IndexAnswer,
  LibraryClaim,
  ListedFile,
  Matches,
  Names,
} from "../wire/messages.ts";
import { NamePattern } from "../wire/name-pattern.ts";
import type { Folder, PeersAnswer, StatsAnswer } from "../wire/view-messages.ts";
import { areNamed, isFolderPageOf, isPageOf } from "./answer-checks.ts";
import { IndexChannel } from "./index-channel.ts";
import { IndexRefusal } from "./index-refusal.ts";
import type { Request } from "./pending-answers.ts";
import { mayBeSource, withSources } from "./source-addresses.ts";
import { SourceSubscription } from "./source-subscription.ts";
import { Watch } from "./watch.ts";

/**
 * To connect and be welcomed, by all indexes tried together, and for one answer. Together below the 10 s after
 * which a command must have said that the index does not answer.
 */
const openTimeoutMs = 5_000;
const answerTimeoutMs = 4_000;
/**
 * Registrations wait behind those of others; the index slows us by not answering. Whether it is there at all shows in
 * its answers to PING.
 */
const writeAnswerTimeoutMs = 180_000;

export class IndexClient {
  private found: string | undefined;

  private constructor(
    private readonly channel: IndexChannel,
    private readonly gate: Gate | undefined,
  ) {}

  /** Connects to the first index of the network that answers. Throws the first AuthenticationError, else the last IndexError. */
  static async open(
    { indexes, membership, gate }: Network,
    timeoutMs: number = openTimeoutMs,
    answerMs: number = answerTimeoutMs,
  ): Promise<IndexClient> {
    const endMs = monotonicMs() + timeoutMs;
    let problem: unknown = new IndexError("no index to ask");
    for (const [i, address] of indexes.entries()) {
      const shareMs = (endMs - monotonicMs()) / (indexes.length - i);
      const secure = membership && { membership, purpose: "index" as const, expected: address.fingerprints };
      const channel = new IndexChannel(address, answerMs, secure);
      try {
        await channel.greet(Math.max(100, shareMs));
        return new IndexClient(channel, gate);
      } catch (error) {
        channel.close();
        // Somebody answered: that says more than that others do not.
        if (!(problem instanceof AuthenticationError)) problem = error;
      }
    }
    throw problem;
  }

  get address(): Address {
    return this.channel.address;
  }

  get isOpen(): boolean {
    return this.channel.isOpen;
  }

  /** `HOST:PORT`. */
  get label(): string {
    return this.channel.label;
  }

  // --- files and their sources ---

  /** Every content the index has for the name. */
  async query(name: string): Promise<FoundContent[]> {
    const answer = await this.channel.ask({ type: "QUERY", name });
    if (answer.type !== "RESULT") throw this.channel.nonsense();
    return this.fitting(answer.contents, name);
  }

  /** As `query`; and of sources that come later we are told until the subscription ends, or this connection. */
  async subscribe(name: string): Promise<SourceSubscription> {
    const { channel } = this;
    const subscription = new SourceSubscription(name, (id) => channel.unsubscribe(id));
    const { id, answer } = channel.subscribe({ type: "QUERY", name, subscribe: true }, (push) => {
      if (push.type !== "SOURCES") throw channel.nonsense();
      subscription.tell(this.shown(this.believed(this.named(push.contents, name)).items));
    });
    try {
      const result = await answer;
      if (result.type !== "RESULT") throw channel.nonsense();
      return subscription.begin(id, this.fitting(result.contents, name));
    } catch (error) {
      channel.unsubscribe(id);
      throw error;
    }
  }

  /**
   * The files whose names fit the pattern (PROTOCOL.md, LIST) and come after `after`, in the order of their names, as
   * far as they fit into one answer.
   */
  async listPage(pattern: string, after: string): Promise<Names> {
    const answer = await this.channel.ask({ type: "LIST", pattern, after, limit: maxFilesPerList });
    if (answer.type === "NAMES" && isPageOf(answer, new NamePattern(pattern), after))
      return { ...answer, files: this.meant(answer.files) };
    throw this.channel.nonsense();
  }

  /** `after`: `next` of the page before. */
  async search(text: string, limit: number, after = ""): Promise<Matches> {
    const answer = await this.channel.ask({ type: "SEARCH", text, after, limit });
    if (answer.type !== "MATCHES" || leadsNowhere(answer.next, after)) throw this.channel.nonsense();
    return answer;
  }

  /** Contents that fit `text`, as for `search`, and come from now on. */
  async watch(text: string): Promise<Watch> {
    const { channel } = this;
    const watch = new Watch((id) => channel.unsubscribe(id));
    const { id, answer } = channel.subscribe({ type: "WATCH", text }, (push) => {
      if (push.type !== "FOUND") throw channel.nonsense();
      watch.tell(push.matches);
    });
    try {
      if ((await this.known("watch for files", answer)).type !== "OK") throw channel.nonsense();
      return watch.begin(id);
    } catch (error) {
      channel.unsubscribe(id);
      throw error;
    }
  }

  // --- what people look at ---

  /** What is directly below a folder, the top one when that is empty, and comes after `after`. */
  async browse(folder: string, after = ""): Promise<Folder> {
    const limit = maxEntriesPerFolder;
    const answer = await this.look("show folders", { type: "BROWSE", folder, after, limit });
    if (answer.type === "FOLDER" && isFolderPageOf(answer, after)) return answer;
    throw this.channel.nonsense();
  }

  /** `after`: `next` of the page before. */
  async peers(after = ""): Promise<PeersAnswer> {
    const answer = await this.look("name its peers", { type: "PEERS", after, limit: maxPeersPerPage });
    if (answer.type !== "PEERS" || leadsNowhere(answer.next, after)) throw this.channel.nonsense();
    return { ...answer, peers: answer.peers.filter((peer) => this.shows(peer)) };
  }

  async stats(): Promise<StatsAnswer> {
    const answer = await this.look("tell its numbers", { type: "STATS" });
    if (answer.type !== "STATS") throw this.channel.nonsense();
    return answer;
  }

  // --- what we share ---

  /** In a private network, once something is registered: the address at which the index has found us. */
  get foundAt(): string | undefined {
    return this.found;
  }

  /** Replaces all that was registered over this connection. `host`: where we say that others reach us. */
  async register(port: number, files: FileEntry[], host?: string): Promise<void> {
    await this.sayWhere({ type: "REGISTER", port, files }, host);
  }

  /** True: the index still had all of `library`, which is registered now; false: nothing is. */
  async resume(port: number, library: LibraryClaim, host?: string): Promise<boolean> {
    return (await this.sayWhere({ type: "REGISTER", port, files: [], library }, host)).held === true;
  }

  async update(add: FileEntry[], remove: FileEntry["name"][]): Promise<void> {
    await this.channel.say({ type: "UPDATE", add, remove }, writeAnswerTimeoutMs);
  }

  // --- the connection ---

  /**
   * From now on the connection is kept: a PING goes out now and then, and `onLost` is called once when it is gone
   * without `close`.
   */
  keep(onLost: (error: Error) => void): void {
    this.channel.keep(onLost);
  }

  /** Idempotent. */
  close(): void {
    this.channel.close();
  }

  // --- internal ---

  private async sayWhere(register: Request & { type: "REGISTER" }, host: string | undefined) {
    const request = host === undefined ? register : { ...register, host };
    const answer = await this.channel.say(request, writeAnswerTimeoutMs);
    this.found = answer.host;
    return answer;
  }

  private look(what: string, request: Request): Promise<IndexAnswer> {
    return this.known(what, this.channel.ask(request));
  }

  /** What an older index does not know. */
  private async known(what: string, answer: Promise<IndexAnswer>): Promise<IndexAnswer> {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof IndexRefusal) || error.wireCode !== "UNKNOWN_TYPE") throw error;
      throw new IndexRefusal(`index ${this.label} is too old to ${what}: it needs an update`, error.wireCode);
    }
  }

  private fitting(contents: FoundContent[], name: string): FoundContent[] {
    return this.meant(this.named(contents, name));
  }

  private named(contents: FoundContent[], name: string): FoundContent[] {
    if (areNamed(contents, name)) return contents;
    throw this.channel.fail(`index ${this.label} answered for another name`);
  }

  private believed<Item extends FoundContent | ListedFile>(items: readonly Item[]) {
    return withSources(items, ({ host }) => mayBeSource(host, this.channel.remoteHost));
  }

  /** Without those whom we have nothing to do with. */
  private shown<Item extends FoundContent | ListedFile>(items: readonly Item[]): Item[] {
    return withSources(items, (source) => this.shows(source)).items;
  }

  private shows({ host, fingerprint }: { host: string; fingerprint?: Fingerprint | undefined }): boolean {
    return this.gate?.shows(host, fingerprint) ?? true;
  }

  /** Without sources that it cannot mean. Throws when there are no others. */
  private meant<Item extends FoundContent | ListedFile>(items: readonly Item[]): Item[] {
    const { items: left, refused } = this.believed(items);
    if (refused === undefined || left.length > 0) return this.shown(left);
    const source = formatAddress(refused);
    throw new IndexError(
      `index ${this.label} names ${source} as a source, where no other machine can be reached: ` +
        "whoever shares it has to give --index an address of the index's network",
    );
  }
}

/** The page would be asked for again and again. */
function leadsNowhere(next: string | undefined, after: string): boolean {
  return next !== undefined && next === after;
}
