/**
 * A source as its plan says: takes requests, sends pieces at its rate, connection after connection, and does wrong
 * where it should. Knows the world only as something with a clock that takes what it sends.
 */
import { endOf, isWithin, type SourcePlan } from "./plan.ts";

/** A connection as both ends see it. */
export interface Link {
  readonly id: number;
  readonly source: SimulatedSource;
  /** When it says WELCOME; it answers nothing before. */
  readonly welcomeMs: number;
  /** The downloader's end still hears. */
  open: boolean;
  readonly work: Work[];
}

export type Work =
  | { kind: "get"; request: number; chunk: number; chunksLeft: number; left: number }
  | { kind: "hashes"; left: number };

/** What goes over the line. */
export type Sent =
  | { kind: "bytes"; bytes: number }
  | { kind: "chunk"; request: number; chunk: number; right: boolean; bytes: number }
  | { kind: "hashes"; right: boolean; bytes: number }
  | { kind: "held"; chunks: number[]; sent: number[] | undefined }
  | { kind: "held-news"; chunk: number }
  | { kind: "sent-news"; chunk: number }
  | { kind: "busy"; request: number; retryMs: number }
  | { kind: "wrong-answer" }
  | { kind: "gone" };

export interface Surroundings {
  readonly nowMs: number;
  at(timeMs: number, happen: () => void): void;
  chunkLength(chunk: number): number;
  send(link: Link, sent: Sent): void;
}

/** So much time's worth of bytes is sent in one piece: as often as a worker reports. */
const pieceMs = 200;

export class SimulatedSource {
  private readonly links: Link[] = [];
  private busy = false;

  constructor(
    readonly plan: SourcePlan,
    private readonly world: Surroundings,
  ) {}

  get accepts(): boolean {
    const { running, refusing } = this.plan;
    return isWithin([running], this.world.nowMs) && !isWithin(refusing, this.world.nowMs);
  }

  accept(link: Link): void {
    this.links.push(link);
  }

  forget(link: Link): void {
    const at = this.links.indexOf(link);
    if (at !== -1) this.links.splice(at, 1);
  }

  take(link: Link, work: Work): void {
    const { busy, sentFromMs } = this.plan;
    if (work.kind === "get" && isWithin(busy.spans, this.world.nowMs)) {
      this.world.send(link, { kind: "busy", request: work.request, retryMs: busy.retryMs });
      return;
    }
    if (work.kind === "get" && sentFromMs !== undefined) {
      for (let i = 0; i < work.chunksLeft; i++) {
        const chunk = work.chunk + i;
        for (const each of this.links) this.world.send(each, { kind: "sent-news", chunk });
      }
    }
    link.work.push(work);
    this.sendNext();
  }

  /** HAVE: what it has, and has sent, now, and later whatever comes. */
  tellWhatItHas(link: Link, chunkCount: number): void {
    const { heldFromMs, sentFromMs } = this.plan;
    const { nowMs } = this.world;
    const isPast = (times: number[] | undefined) => (chunk: number) => (times?.[chunk] ?? 0) <= nowMs;
    const all = [...Array(chunkCount).keys()];
    this.world.send(link, {
      kind: "held",
      chunks: all.filter(isPast(heldFromMs)),
      sent: sentFromMs === undefined ? undefined : all.filter(isPast(sentFromMs)),
    });
    const tellLater = (times: number[] | undefined, kind: "held-news" | "sent-news") => {
      for (const [chunk, atMs] of (times ?? []).entries()) {
        if (atMs > nowMs) this.world.at(atMs, () => this.world.send(link, { kind, chunk }));
      }
    };
    tellLater(heldFromMs, "held-news");
    tellLater(sentFromMs, "sent-news");
  }

  private sendNext(): void {
    if (this.busy) return;
    const link = this.links.find(({ open, work }) => open && work.length > 0);
    if (link === undefined) return;
    const { nowMs } = this.world;
    const readyMs = endOf(this.plan.silent, nowMs);
    this.busy = true;
    if (readyMs > nowMs) {
      this.world.at(readyMs, () => this.free());
      return;
    }
    // Every connection has its turn.
    this.forget(link);
    this.links.push(link);
    const work = link.work[0]!;
    const bytes = Math.min(work.left, Math.max(1, Math.floor(this.plan.bytesPerMs * pieceMs)));
    this.world.at(nowMs + bytes / this.plan.bytesPerMs, () => {
      this.sendPiece(link, work, bytes);
      this.free();
    });
  }

  private free(): void {
    this.busy = false;
    this.sendNext();
  }

  private sendPiece(link: Link, work: Work, bytes: number): void {
    const { lie, goneFromMs } = this.plan;
    if (this.world.nowMs >= goneFromMs || lie?.kind === "answers") {
      link.work.length = 0;
      this.world.send(link, { kind: lie?.kind === "answers" ? "wrong-answer" : "gone" });
      return;
    }
    work.left -= bytes;
    if (work.left > 0) {
      this.world.send(link, { kind: "bytes", bytes });
      return;
    }
    if (work.kind === "hashes") {
      link.work.shift();
      this.world.send(link, { kind: "hashes", right: lie?.kind !== "hashes", bytes });
      return;
    }
    const { request, chunk } = work;
    const wrong = lie?.kind === "chunks" || (lie?.kind === "one-chunk" && lie.chunk === chunk);
    this.world.send(link, { kind: "chunk", request, chunk, right: !wrong, bytes });
    work.chunk++;
    if (--work.chunksLeft === 0) link.work.shift();
    else work.left = this.world.chunkLength(work.chunk);
  }
}
