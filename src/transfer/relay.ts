/** From what a worker says of a connection to the fact that the scheduler is told. Pure. */
import { Bitfield } from "../content/bitfield.ts";
import type { SourceNews } from "./download-messages.ts";
import type { Scheduler } from "./scheduler.ts";

/** Returns whether it is about a chunk that is verified now and was not before (kept, or not to be kept). */
export function relay(message: SourceNews, scheduler: Scheduler, chunkCount: number, nowMs: number): boolean {
  const id = message.connection;
  // The worker has seen that it has the right length.
  const bitfield = (bytes: Uint8Array) => Bitfield.from(bytes, chunkCount) ?? new Bitfield(chunkCount);
  switch (message.kind) {
    case "connected":
      scheduler.onConnected(id, nowMs, message.roundTripMs);
      return false;
    case "closed":
      scheduler.onClosed(id, nowMs);
      return false;
    case "bytes":
      scheduler.onBytes(id, message.bytes, nowMs);
      return false;
    case "hashes":
      scheduler.onHashes(id, message.hashes !== undefined, nowMs);
      return false;
    case "held":
      scheduler.onHave(id, bitfield(message.chunks), message.sent && bitfield(message.sent));
      return false;
    case "held-news":
      scheduler.onHaveNews(id, message.chunk);
      return false;
    case "sent-news":
      scheduler.onSentNews(id, message.chunk);
      return false;
    case "busy":
      scheduler.onBusy(id, message.request, message.retryMs, nowMs);
      return false;
    case "chunk":
      scheduler.onBytes(id, message.bytes, nowMs);
      return scheduler.onChunk(id, message.request, message.chunk, nowMs);
    case "not-stored":
      scheduler.onBytes(id, message.bytes, nowMs);
      return scheduler.onChunk(id, message.request, message.chunk, nowMs);
    case "lacks":
      scheduler.onLacks(id, message.request, nowMs);
      return false;
    case "bad-chunk":
      scheduler.onBadChunk(id, nowMs);
      return false;
    case "wrong-answer":
      scheduler.onWrongAnswer(id, nowMs);
      return false;
    case "another-machine":
      scheduler.exclude(id, "another machine", nowMs);
      return false;
    case "gone":
      scheduler.onGone(id, nowMs);
      return false;
  }
}
