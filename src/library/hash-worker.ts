/**
 * Worker entry point: hashes files, several side by side, in the order in which they are given. Between short
 * slices it listens, so that a file can be given up, and small ones are begun while large ones are read. Which files,
 * in which order, and what becomes of the hashes is the business of `hash-pool.ts`.
 */
import { setImmediate } from "node:timers/promises";
import { monotonicMs } from "../clock.ts";
import { newMd5Streams, streamsAtOnce } from "../content/md5-streams.ts";
import { reasonOf } from "../errors.ts";
import { FileHashing } from "./file-hashing.ts";
import type { FromHashWorker, HashOutcome, ToHashWorker } from "./hash-messages.ts";
import { freeHashPairs } from "./hash-pairs.ts";
import { openInside } from "./open-inside.ts";
import { WalkedFolder } from "./walked-folder.ts";

declare const self: Worker;

/**
 * Read at once of each file. All of them together stay in the second-level cache, so that MD5 and the tree read what
 * `read` just put there.
 */
const areaBytes = 64 * 1024;
/** How long messages wait. */
const sliceMs = 10;
const progressIntervalMs = 250;

/** One more than go at once: the pool gives no more large files than that, so a small one always finds a place. */
const places = streamsAtOnce + 1;
const md5 = newMd5Streams(places, areaBytes);

type Order = Extract<ToHashWorker, { type: "hash" }>;

const waiting: Order[] = [];
const begun: ({ id: number; hashing: FileHashing } | undefined)[] = Array(places).fill(undefined);
/** Of the files of one slice. */
const walked = new WalkedFolder();
let working = false;
let toldMs = 0;

self.onmessage = ({ data }: MessageEvent<ToHashWorker>) => {
  if (data.type === "hash") {
    waiting.push(data);
    if (!working) void work();
  } else {
    cancel(data.id);
  }
};

/** Never rejects. */
async function work(): Promise<void> {
  working = true;
  toldMs = monotonicMs();
  // Those that were given together are begun together.
  await setImmediate();
  while (hasWork()) {
    const sliceEndsMs = monotonicMs() + sliceMs;
    do turn();
    while (hasWork() && monotonicMs() < sliceEndsMs);
    walked.close();
    tellProgress();
    await setImmediate();
  }
  working = false;
  // A worker without work is ended without being told, and would leave the code behind.
  freeHashPairs();
}

function hasWork(): boolean {
  return waiting.length > 0 || begun.some((file) => file !== undefined);
}

/** Every place gets on with its file, or gets the next one, and MD5 takes what is there. */
function turn(): void {
  for (let place = 0; place < places; place++) {
    proceed(place);
    if (begun[place] !== undefined) continue;
    beginNext(place);
    proceed(place);
  }
  md5.advance();
}

function proceed(place: number): void {
  const file = begun[place];
  const outcome = attempt(() => file?.hashing.proceed());
  if (file !== undefined && outcome !== undefined) end(place, file.id, outcome);
}

function beginNext(place: number): void {
  const alone = waiting.length === 1 && begun.every((file) => file === undefined);
  const order = waiting.shift();
  if (order === undefined) return;
  const { id } = order;
  const outcome = attempt(() => {
    const file = open(order);
    const hashing = file === undefined ? undefined : FileHashing.begin(file, md5, place, alone);
    if (hashing === undefined) return { kind: "changed" };
    begun[place] = { id, hashing };
    return undefined;
  });
  if (outcome !== undefined) answer(id, outcome);
}

/** When there is no next file the folders are closed: after the last answer this thread may be ended at any moment. */
function open({ folder, path }: Order): number | undefined {
  try {
    return openInside(folder, path, { walked });
  } finally {
    letGo();
  }
}

function letGo(): void {
  if (waiting.length === 0) walked.close();
}

/** Closes the file before anybody hears of it. */
function end(place: number, id: number, outcome: HashOutcome): void {
  begun[place]?.hashing.close();
  begun[place] = undefined;
  answer(id, outcome);
}

function attempt(run: () => HashOutcome | undefined): HashOutcome | undefined {
  try {
    return run();
  } catch (error) {
    return { kind: "failed", reason: reasonOf(error) };
  }
}

function cancel(id: number): void {
  const outcome: HashOutcome = { kind: "cancelled" };
  const index = waiting.findIndex((order) => order.id === id);
  const place = begun.findIndex((file) => file?.id === id);
  if (index >= 0) {
    waiting.splice(index, 1);
    letGo();
    answer(id, outcome);
  } else if (place >= 0) {
    end(place, id, outcome);
  }
}

function answer(id: number, outcome: HashOutcome): void {
  const transfer = outcome.kind === "hashed" ? [outcome.hashes.chunkHashes.buffer as ArrayBuffer] : [];
  self.postMessage({ type: "done", id, outcome } satisfies FromHashWorker, transfer);
}

function tellProgress(): void {
  const nowMs = monotonicMs();
  if (nowMs < toldMs + progressIntervalMs) return;
  toldMs = nowMs;
  for (const file of begun) {
    if (file === undefined) continue;
    const { id, hashing } = file;
    self.postMessage({ type: "progress", id, bytes: hashing.bytesRead } satisfies FromHashWorker);
  }
}
