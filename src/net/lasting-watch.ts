/**
 * A WATCH that outlives the connection it is said on. An index that was lost, or started again without what it knew,
 * tells of everything anew when its peers come back; and what came while it was away it does not tell at all. So at the
 * start it is looked at what is there already, as far as that is not too much, and after each loss again.
 */
import { IndexError } from "../errors.ts";
import type { Network } from "../trust/network.ts";
import { maxMatchesPerSearch } from "../wire/limits.ts";
import type { Match } from "../wire/messages.ts";
import type { IndexClient } from "./index-client.ts";
import { IndexLink } from "./index-link.ts";
import { IndexRefusal } from "./index-refusal.ts";
import type { Watch } from "./watch.ts";

export interface LastingWatchOptions {
  network: Network;
  text: string;
  /** Each content once. */
  onFound: (match: Match) => void;
  /** The index will never take it; nothing more comes. Called once at most. */
  onRefused: (error: IndexError) => void;
  /** One line for the user, already printable. */
  onNotice: (line: string) => void;
}

/** Contents that are remembered: 10 MB. When more fit, what was there before may be told again after a loss. */
const maxRemembered = 50_000;
const retryMs = 2_000;

export class LastingWatch {
  private readonly link: IndexLink;
  /** There before we began; undefined while that is not known, or is too much. */
  private before: Set<string> | undefined;
  private readonly reported = new Set<string>();
  private connections = 0;
  private watch: Watch | undefined;
  private retry: Timer | undefined;
  private stopped = false;

  constructor(private readonly options: LastingWatchOptions) {
    const { network, onNotice } = options;
    this.link = new IndexLink({
      network,
      onUp: (client) => {
        this.connections++;
        void this.begin(client);
      },
      onDown: () => {
        this.watch = undefined;
      },
      onNotice,
    });
  }

  /** Throws IndexError when no index can be reached now. */
  async start(): Promise<void> {
    await this.link.start(false);
  }

  /** Idempotent. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.retry);
    this.watch?.close();
    this.link.stop();
  }

  // --- internal ---

  private async begin(client: IndexClient): Promise<void> {
    try {
      if (this.watch === undefined) {
        const watch = await client.watch(this.options.text);
        this.watch = watch;
        watch.listen((matches) => {
          for (const match of matches) this.found(match, this.connections > 1);
        });
      }
      await this.look(client);
    } catch (error) {
      this.failed(error, client);
    }
  }

  /** A lost connection is made again by the link; an index that is busy is asked again. */
  private failed(error: unknown, client: IndexClient): void {
    if (this.stopped || !client.isOpen) return;
    if (!(error instanceof IndexError)) throw error;
    if (error instanceof IndexRefusal && error.wireCode !== "RETRY") {
      this.stop();
      this.options.onRefused(error);
      return;
    }
    this.options.onNotice(`${error.message}; trying again`);
    this.retry = setTimeout(() => {
      if (!this.stopped && client.isOpen) void this.begin(client);
    }, retryMs);
  }

  /** All that is there: the first time to know it, later for what came while nobody told us. */
  private async look(client: IndexClient): Promise<void> {
    const isFirst = this.connections === 1;
    if (!isFirst && this.before === undefined) return;
    const there: Match[] = [];
    let after: string | undefined = "";
    while (after !== undefined && !this.stopped) {
      const page: Awaited<ReturnType<IndexClient["search"]>> = await client.search(
        this.options.text,
        maxMatchesPerSearch,
        after,
      );
      there.push(...page.matches);
      // Too many, or an index without pages: then it cannot be told what was there.
      if (there.length > maxRemembered || (page.more && page.next === undefined)) return;
      after = page.next;
    }
    if (isFirst) this.before = new Set(there.map(keyOf));
    else for (const match of there) this.found(match, true);
  }

  private found(match: Match, isAgain: boolean): void {
    const key = keyOf(match);
    if (this.stopped || this.reported.has(key) || (isAgain && this.before?.has(key))) return;
    this.reported.add(key);
    for (const oldest of this.reported) {
      if (this.reported.size <= maxRemembered) break;
      this.reported.delete(oldest);
    }
    this.options.onFound(match);
  }
}

function keyOf({ root, sizeBytes }: Match): string {
  return `${root.slice(0, 32)} ${sizeBytes}`;
}
