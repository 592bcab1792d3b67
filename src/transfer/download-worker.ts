/**
 * Worker entry point: one thread of a download. Owns its connections to sources (`SourceLink`) and does what the
 * downloader says; sockets, hashing and writing happen here and the bytes never leave.
 */
import { readSync } from "node:fs";
import { monotonicMs } from "../clock.ts";
import { chunkCountOf, chunkLength, chunkOffset } from "../content/chunks.ts";
import { ChunkHasher, hashBytes } from "../content/merkle.ts";
import { reasonOf } from "../errors.ts";
import { RateLimit } from "../net/rate-limit.ts";
import { chunkBytes } from "../wire/limits.ts";
import type { DownloadJob, FromDownloadWorker, ToDownloadWorker } from "./download-messages.ts";
import { PacedReading } from "./paced-reading.ts";
import type { ThreadTimes } from "./receipt.ts";
import { type LinkContext, SourceLink } from "./source-link.ts";

declare const self: Worker;

/** How often bytes of unfinished chunks are reported: well below the 2 s after which silence counts. */
const reportIntervalMs = 200;
/** Chunks of a resumed file checked between two looks at the messages. */
const checkedPerTurn = 8;

let context: LinkContext | undefined;
let pacing: PacedReading | undefined;
let pacer: Timer | undefined;
let stopped = false;
const times: ThreadTimes = { hashingMs: 0, writingMs: 0 };
const links = new Map<number, SourceLink>();

const reporter = setInterval(() => {
  for (const [connection, link] of links) {
    const bytes = link.takeUnreported();
    if (bytes > 0) tell({ kind: "bytes", connection, bytes });
  }
}, reportIntervalMs);

self.onmessage = (event: MessageEvent<ToDownloadWorker>) => {
  const message = event.data;
  if (message.kind === "job") begin(message);
  else if (message.kind === "stop") stop();
  else if (context !== undefined && !stopped) perform(message, context);
};

function tell(message: FromDownloadWorker): void {
  self.postMessage(message);
}

function begin({ root, sizeBytes, sink, session, limit }: DownloadJob): void {
  const alone = chunkCountOf(sizeBytes) === 1;
  const chunkHashes = alone ? new Uint8Array(Buffer.from(root, "hex")) : undefined;
  context = { root, sizeBytes, sink, session, chunkHashes, times, tell };
  const paced = new PacedReading(new RateLimit(limit), () => links.values());
  const read = () => {
    pacer = setTimeout(read, paced.turn(monotonicMs()));
  };
  pacing = paced;
  read();
}

function perform(message: Exclude<ToDownloadWorker, { kind: "job" | "stop" }>, context: LinkContext): void {
  switch (message.kind) {
    case "chunk-hashes":
      context.chunkHashes = message.hashes;
      return;
    case "check-disk":
      checkDisk(context, message.first, message.count);
      return;
    case "connect": {
      const id = message.connection;
      const link = new SourceLink(id, context, () => links.delete(id));
      links.set(id, link);
      void link.open(message.host, message.port).then(() => pacing?.opened(link));
      return;
    }
    case "get":
      links.get(message.connection)?.get(message.request, message.first, message.count);
      return;
    case "hashes":
      links.get(message.connection)?.hashes();
      return;
    case "have":
      links.get(message.connection)?.have();
      return;
    case "close":
      links.get(message.connection)?.close();
      return;
  }
}

/** Nothing is written after `stopped` has been told: the downloader may close the file. */
function stop(): void {
  stopped = true;
  clearInterval(reporter);
  clearTimeout(pacer);
  for (const link of [...links.values()]) link.close();
  tell({ kind: "stopped", times });
}

function checkDisk(context: LinkContext, first: number, count: number): void {
  const block = new Uint8Array(chunkBytes);
  const hasher = new ChunkHasher();
  const { sink, sizeBytes, chunkHashes } = context;
  const alone = chunkCountOf(sizeBytes) === 1;
  const isRight = (chunk: number): boolean => {
    const length = chunkLength(chunk, sizeBytes);
    if (sink.kind !== "file" || chunkHashes === undefined) return false;
    if (!readAll(sink.fd, block, length, chunkOffset(chunk))) return false;
    hasher.update(block.subarray(0, length));
    const wanted = chunkHashes.subarray(chunk * hashBytes, (chunk + 1) * hashBytes);
    return Buffer.compare(hasher.finish(alone), wanted) === 0;
  };
  const turn = (from: number) => {
    if (stopped) return;
    const end = Math.min(from + checkedPerTurn, first + count);
    const right: boolean[] = [];
    try {
      for (let chunk = from; chunk < end; chunk++) right.push(isRight(chunk));
    } catch (error) {
      tell({ kind: "disk-failed", reason: reasonOf(error) });
      return;
    }
    tell({ kind: "on-disk", first: from, right });
    if (end < first + count) setImmediate(() => turn(end));
  };
  turn(first);
}

/** False when the file ends before. */
function readAll(fd: number, block: Uint8Array, length: number, position: number): boolean {
  let filled = 0;
  while (filled < length) {
    const read = readSync(fd, block, filled, length - filled, position + filled);
    if (read === 0) return false;
    filled += read;
  }
  return true;
}
