/**
 * Worker entry point: one thread of downloads, one after the other. Owns its connections to sources (`SourceLink`) and
 * does what the downloader says; sockets, hashing and writing happen here and the bytes never leave.
 */
import { monotonicMs } from "../clock.ts";
import { expectHashPairs, freeHashPairs } from "../library/hash-pairs.ts";
import { AddressGate } from "../net/gate.ts";
import { RateLimit } from "../net/rate-limit.ts";
import { Membership } from "../trust/membership.ts";
import { checkDisk } from "./check-disk.ts";
import { ContentHome } from "./chunk-home.ts";
import type { MeantSource } from "./connect-source.ts";
import type { DownloadJob, FromDownloadWorker, ToDownloadWorker } from "./download-messages.ts";
import { closeFolders } from "./drafts.ts";
import { PacedReading } from "./paced-reading.ts";
import { ParkedConnections } from "./parked-connections.ts";
import { keyOf } from "./source.ts";
import { type LinkContext, SourceLink } from "./source-link.ts";

declare const self: Worker;

/** How often bytes of unfinished chunks are reported: well below the 2 s after which silence counts. */
const reportIntervalMs = 200;

/** What belongs to the download that is running. */
interface Job {
  readonly context: LinkContext;
  readonly gate: AddressGate | undefined;
  readonly links: Map<number, { link: SourceLink; source: MeantSource }>;
  readonly pacing: PacedReading;
  pacer: Timer | undefined;
  readonly reporter: Timer;
}

let job: Job | undefined;
const parked = new ParkedConnections();

self.onmessage = ({ data }: MessageEvent<ToDownloadWorker[]>) => {
  for (const message of data) {
    if (message.kind === "job") job = begin(message);
    else if (message.kind === "prepare") expectHashPairs();
    else if (message.kind === "close-all") closeAll();
    else if (job !== undefined) perform(message, job);
  }
};

let untold: FromDownloadWorker[] = [];

/** All that is told in one go leaves as one message. */
function tell(message: FromDownloadWorker): void {
  if (untold.length === 0) queueMicrotask(flush);
  untold.push(message);
}

function flush(): void {
  const messages = untold;
  untold = [];
  if (messages.length > 0) self.postMessage(messages);
}

function begin({ content, session, limit, membership, gate }: DownloadJob): Job {
  const home = content && new ContentHome(content.root, content.sizeBytes, content.sink);
  const context = {
    content: home,
    session,
    membership: membership && Membership.received(membership),
    times: { hashingMs: 0, writingMs: 0 },
    tell,
  };
  const links: Job["links"] = new Map();
  const pacing = new PacedReading(new RateLimit(limit), () => [...links.values()].map(({ link }) => link));
  const begun: Job = {
    context,
    gate: gate && new AddressGate(gate),
    links,
    pacing,
    pacer: undefined,
    reporter: setInterval(report, reportIntervalMs),
  };
  const read = () => {
    begun.pacer = setTimeout(read, pacing.turn(monotonicMs()));
  };
  read();
  return begun;
}

function report(): void {
  if (job === undefined) return;
  for (const [connection, { link }] of job.links) {
    const bytes = link.takeUnreported();
    if (bytes > 0) tell({ kind: "bytes", connection, bytes });
  }
}

type ForJob = Exclude<ToDownloadWorker, { kind: "job" | "prepare" | "close-all" }>;

function perform(message: ForJob, running: Job): void {
  const { context, links } = running;
  switch (message.kind) {
    case "chunk-hashes":
      if (context.content !== undefined) context.content.chunkHashes = message.hashes;
      return;
    case "check-disk":
      if (context.content !== undefined)
        checkDisk(context.content, message.first, message.count, () => job === running, tell);
      return;
    case "end-job":
      end(running, message.keepConnections);
      return;
    case "connect":
      connect(message, running);
      return;
    case "bans":
      ban(message.bans, running);
      return;
    case "get": {
      const { request, first, count, file } = message;
      const link = links.get(message.connection)?.link;
      if (file === undefined) link?.get(request, first, count);
      else link?.getFile(request, first, file);
      return;
    }
    case "hashes":
      links.get(message.connection)?.link.hashes();
      return;
    case "have":
      links.get(message.connection)?.link.have();
      return;
    case "close":
      links.get(message.connection)?.link.close();
      return;
  }
}

function connect(source: MeantSource & { connection: number }, { context, gate, links, pacing }: Job): void {
  const { connection: id, host, fingerprint } = source;
  const link = new SourceLink(id, context, () => links.delete(id));
  links.set(id, { link, source });
  if (gate?.admits(host, fingerprint) === false) {
    link.unwanted();
    return;
  }
  const left = parked.take(keyOf(source));
  if (left === undefined) {
    void link.open(source).then(() => pacing.opened(link));
  } else {
    link.adopt(left);
    pacing.opened(link);
  }
}

function ban(bans: readonly string[], { gate, links }: Job): void {
  gate?.ban(bans);
  for (const { link, source } of [...links.values()])
    if (gate?.admits(source.host, source.fingerprint) === false) link.unwanted();
}

/** Nothing is written from here on: the downloader may close the file. */
function end({ context, links, pacer, reporter }: Job, keepConnections: boolean): void {
  clearInterval(reporter);
  clearTimeout(pacer);
  job = undefined;
  for (const { link, source } of [...links.values()]) {
    const left = keepConnections ? link.release() : link.close();
    if (left !== undefined) parked.park(keyOf(source), left);
  }
  tell({ kind: "stopped", times: context.times });
}

function closeAll(): void {
  closeFolders();
  parked.closeAll();
  freeHashPairs();
  tell({ kind: "closed-all" });
}
