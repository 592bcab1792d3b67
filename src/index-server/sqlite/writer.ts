/**
 * What the writing thread does: takes lines of REGISTER and UPDATE, applies them in turns of bounded length, and sees
 * to it that the rows of peers that left go after a while. What a change is, is catalog-writer.ts.
 *
 * No time here is a QUERY's: those are answered by another thread from what is committed. So a turn may take as long as
 * makes writing fast (a commit of some thousand files costs little more than one of a few), and small changes wait for
 * a share of it.
 */
import type { Database } from "bun:sqlite";
import { decodeIndexRequest } from "../../wire/decode-index-request.ts";
import { lastPart } from "../../wire/file-name.ts";
import type { FileEntry, Register, Update } from "../../wire/messages.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import type { CatalogLimits, ChangeType } from "../catalog.ts";
import type { WantedFiles } from "../wanted-files.ts";
import { CatalogWriter } from "./catalog-writer.ts";
import { ChangeStamps } from "./change-stamps.ts";
import { codeForPeer, describeFailure, isDamage } from "./database.ts";
import { Departed } from "./departed.ts";
import type { ChangeListener } from "./holding-tables.ts";
import type { PeerPorts } from "./peer-ports.ts";
import { Surveys } from "./surveys.ts";
import { LockedError, WorkQueue } from "./work-queue.ts";
import type { FromWriter, Outcome, ToWriter } from "./writer-messages.ts";

export interface WriterOptions {
  limits: CatalogLimits;
  stamps: ChangeStamps;
  wanted: WantedFiles;
  ports: PeerPorts;
  keepLeftMs: number;
  /** Monotonic. */
  nowMs(): number;
  soon(run: () => void): void;
  later(run: () => void, delayMs: number): void;
  tell(message: FromWriter): void;
}

/** Two messages of 2,000 files, or small ones of many peers: what is done in a turn is one commit, which writes a page once. */
const turnMs = 80;
/** Of reading what is there at the start, and what those who write then have. */
const learnMs = 5;
const restFromLearningMs = 20;

type Job = Extract<ToWriter, { kind: "apply" }>;

/** What has been done of a job. */
interface Done {
  change?: Register | Update;
  /** Where the peer is whole again. */
  found?: number | undefined;
  news: FileEntry[];
  refusal?: ProtocolError;
}

export class Writer implements ChangeListener {
  private readonly catalog: CatalogWriter;
  private readonly queue: WorkQueue;
  /** Whose turn it is in the queue, by slot. */
  private readonly owners = new Map<number, object>();
  private readonly departed: Departed;
  private readonly surveys: Surveys;
  /** Where the peers of slots are now, as long as the index's thread may not know. */
  private readonly movedTo = new Map<number, number>();
  /** Slots of peers that move in the running turn. */
  private readonly moving = new Set<number>();
  private changed: number[] = [];
  private removed: number[] = [];
  private isVisible = false;
  private readonly learning: Generator<void, void>;

  constructor(
    database: Database,
    private readonly options: WriterOptions,
  ) {
    this.catalog = new CatalogWriter(database, options.limits, this);
    const transaction = (run: () => void) => this.catalog.tryTransaction(run);
    this.queue = new WorkQueue({ ...options, turnMs, transaction });
    const hiddenSlots = [...this.catalog.hiddenSlots];
    options.tell({ kind: "opened", hiddenSlots, names: this.catalog.totals.names });
    this.departed = new Departed(this.catalog, this.queue, {
      ...options,
      onCount: (count) => options.tell({ kind: "hidden", count }),
      onGone: (slot) => options.tell({ kind: "released", slot }),
      onTrouble: (error) => this.trouble(error),
    });
    for (const slot of hiddenSlots) this.departed.add(slot);
    this.surveys = new Surveys({
      ...options,
      filesOf: (slot) => this.catalog.files(slot),
      isBusy: () => !this.queue.idle,
      tell: (slot, files) => options.tell({ kind: "news", slot, files }),
      onTrouble: (error) => this.trouble(error),
    });
    this.learning = this.catalog.learn();
    this.learn();
  }

  join(slot: number): void {
    this.movedTo.delete(slot);
    this.options.ports.set(slot, 0);
    this.owners.set(slot, {});
    this.catalog.join(slot);
  }

  /** Decoded when it is its turn: what waits is as small as it came. */
  apply(job: Job): void {
    let done: Done = { news: [] };
    this.queue.add({
      owner: this.owners.get(job.slot)!,
      steps: () => {
        this.moving.delete(job.slot);
        done = { news: [] };
        return this.steps(job, done);
      },
      finished: () => this.applied(job, done),
      failed: (error) => this.failed(job, done, error),
    });
  }

  /** The peer has come back to what it had, and the index's thread knows: it can be found. */
  survey(slot: number): void {
    if (this.owners.has(slot)) this.surveys.add(slot);
  }

  leave(told: number): void {
    const slot = this.movedTo.get(told) ?? told;
    this.movedTo.delete(told);
    const owner = this.owners.get(slot);
    if (owner !== undefined) this.queue.drop(owner);
    this.owners.delete(slot);
    this.surveys.remove(slot);
    if (!this.catalog.leave(slot)) {
      this.options.tell({ kind: "released", slot });
      return;
    }
    this.departed.add(slot);
  }

  /** Why nothing can be written now; undefined: it can. */
  problem(): string | undefined {
    try {
      return this.catalog.tryTransaction(() => {})
        ? undefined
        : "another program keeps the index database locked";
    } catch (error) {
      return describeFailure(error);
    }
  }

  close(): void {
    this.queue.stop();
    this.surveys.stop();
    this.learning.return();
    const failure = this.catalog.end();
    if (failure !== undefined) this.trouble(failure);
  }

  // --- what the tables tell ---

  fileChanged(name: string, root: Uint8Array): void {
    this.changed.push(ChangeStamps.ofName(name), ChangeStamps.ofRoot(root));
    const last = lastPart(name);
    if (last.length < name.length) this.changed.push(ChangeStamps.ofName(last));
  }

  portKnown(slot: number, port: number): void {
    this.options.ports.set(slot, port);
  }

  entryRemoved(id: number): void {
    this.removed.push(id);
  }

  committing(): void {
    this.isVisible = true;
    this.options.stamps.begin();
  }

  settled(isDone: boolean): void {
    if (this.isVisible) this.options.stamps.end(this.changed);
    this.isVisible = false;
    const isNew = this.changed.length > 0;
    this.changed = [];
    const removed = isDone ? this.removed : [];
    this.removed = [];
    if (isNew) this.options.tell({ kind: "committed", names: this.catalog.totals.names, removed });
  }

  // --- internal ---

  private learn(): void {
    const { nowMs, later } = this.options;
    const endMs = nowMs() + learnMs;
    try {
      while (nowMs() < endMs) if (this.learning.next().done === true) return;
    } catch (error) {
      // Until the next start all is looked up, as if nothing were known.
      this.trouble(error);
      return;
    }
    later(() => this.learn(), this.queue.idle ? 0 : restFromLearningMs);
  }

  /** A refusal comes before anything is changed, so that it is no failure. */
  private *steps({ slot, host, type, line }: Job, done: Done): Generator<void, void> {
    const { catalog, movedTo, moving } = this;
    const onNews = (file: FileEntry) => void done.news.push(file);
    // By such a one the index's thread may still mean the peer that has moved: nobody else gets it before it is joined.
    const isFree = (hidden: number) => !movedTo.has(hidden) && !moving.has(hidden);
    try {
      const change = changeOf(type, line);
      done.change = change;
      if (change.type === "UPDATE") {
        yield* catalog.update(slot, change.add, change.remove, onNews);
        return;
      }
      const address = { host, port: change.port };
      if (change.library !== undefined) done.found = catalog.resume(slot, address, change.library, isFree);
      if (done.found !== undefined && done.found !== slot) moving.add(slot);
      // With nothing, when the index does not hold it: UPDATEs follow.
      if (done.found === undefined) yield* catalog.register(slot, address, change.files, onNews);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      done.refusal = error;
    }
  }

  private applied({ request, slot }: Job, { change, found, news, refusal }: Done): void {
    if (refusal !== undefined) {
      this.refused(request, change?.id ?? null, refusal);
      return;
    }
    this.tellOf(slot, news);
    const isAsked = change?.type === "REGISTER" && change.library !== undefined;
    const now = found ?? slot;
    const files = this.catalog.filesOf(now);
    const held = isAsked ? found !== undefined : undefined;
    const port = this.options.ports.at(now);
    this.end(request, { kind: "applied", id: change!.id, held, slot: now, port, files });
    // Said last: until then the index's thread knows the peer by this slot.
    if (now !== slot) this.moved(slot, now);
  }

  /** The peer has the rows of another slot from now on. */
  private moved(from: number, to: number): void {
    this.moving.delete(from);
    this.owners.set(to, this.owners.get(from)!);
    this.owners.delete(from);
    this.movedTo.set(from, to);
    this.surveys.remove(from);
    this.departed.remove(to);
    if (this.catalog.isHidden(from)) this.departed.add(from);
    else this.options.tell({ kind: "released", slot: from });
  }

  /** Asked only now that they are committed: who wants to hear of one later finds it. */
  private tellOf(slot: number, news: readonly FileEntry[]): void {
    const { wanted } = this.options;
    if (!wanted.any) return;
    const files = news.filter((file) => wanted.mayWant(file));
    if (files.length > 0) this.options.tell({ kind: "news", slot, files });
  }

  private refused(request: number, id: number | null, refusal: ProtocolError): void {
    // There is room as soon as those who left are forgotten.
    const makesRoom = refusal.code === "STORAGE_FULL" && this.departed.purgeAll();
    const { code, message, id: ownId } = makesRoom ? new ProtocolError("RETRY") : refusal;
    this.end(request, { kind: "refused", id: ownId ?? id, code, message });
  }

  private failed({ request, slot }: Job, { change, news }: Done, error: unknown): void {
    this.moving.delete(slot);
    // What was applied is news; when the rest is said again, it is not any more.
    this.tellOf(slot, news);
    this.trouble(error);
    const code = error instanceof LockedError ? "RETRY" : codeForPeer(error);
    this.end(request, { kind: "failed", id: change?.id ?? null, code });
  }

  private end(request: number, outcome: Outcome): void {
    this.options.tell({ kind: "outcome", request, outcome });
  }

  private trouble(error: unknown): void {
    const line = error instanceof LockedError ? error.message : describeFailure(error);
    this.options.tell({ kind: isDamage(error) ? "damaged" : "trouble", line });
  }
}

function changeOf(type: ChangeType, line: Uint8Array): Register | Update {
  const request = decodeIndexRequest(line);
  if (request.type === type) return request as Register | Update;
  throw new ProtocolError("BAD_MESSAGE", request.id, "the type is there twice");
}
