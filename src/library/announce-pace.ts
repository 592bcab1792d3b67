/**
 * How much a peer says to an index in one message. It begins with little, says more while the answers come quickly, and
 * little again when one is slow. Pure: how long an answer took is told.
 *
 * After an index has lost everything all of its peers come back within seconds, each with a whole library. Were each to
 * say as much as a message may have, the index would take in 32 MiB of that and read nothing more, also no PING: of 200
 * peers with 5,000 files and a busy index every second one took it for gone, and began again from the start. What fits into 64 KiB an
 * index always reads. So nobody has to wait before it begins, a peer that is alone has said three messages more, and when
 * there are many, answers that take a second or so share the index among them.
 */
import { maxIndexLineBytes } from "../wire/limits.ts";

/** A little less than what an index reads from a connection however busy it is. */
const leastBytes = 48 * 1024;
const quickMs = 250;
const slowMs = 1_000;

export class AnnouncePace {
  private bytes = leastBytes;

  /** How long the line of the next message may be. */
  get maxBytes(): number {
    return this.bytes;
  }

  /** A message of files has been answered. */
  answered(tookMs: number): void {
    if (tookMs > slowMs) this.bytes = leastBytes;
    else if (tookMs < quickMs) this.bytes = Math.min(maxIndexLineBytes, 2 * this.bytes);
  }
}
