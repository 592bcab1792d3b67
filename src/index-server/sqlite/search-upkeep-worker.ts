/**
 * Worker entry point: keeps the full text up to date, and leaves the processor to others for part of the time. It
 * is a thread of its own because the merges of a full text take up to half a second, for which no search should wait.
 */
import { Database } from "bun:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicMs } from "../../clock.ts";
import { reasonOf } from "../../errors.ts";
import { isDamage } from "./database.ts";
import { openSearchDatabase } from "./search-database.ts";
import type { FromUpkeepWorker, SearchPaths, ToUpkeepWorker, Trouble } from "./search-messages.ts";
import { SearchUpkeep } from "./search-upkeep.ts";

declare const self: Worker;

/** What comes at once is written at once: meanwhile it is found without the full text. */
const gatherMs = 50;
const workMs = 10;
/** After each `workMs`. Of 110,000 names a second without pauses these leave more than 70,000. */
const restMs = 5;
/**
 * The same while files are being registered, as long as the last commit is no longer ago: on two cores the one who
 * writes them, and whoever asks meanwhile, come first.
 */
const restBesideWriterMs = 40;
const writerBusyMs = 150;
/** After an error: no room is left on the device, or somebody else has locked the file. */
const retryMs = 2_000;

let database: Database | undefined;
let source: Database | undefined;
let upkeep: SearchUpkeep | undefined;
let changedMs = Number.NEGATIVE_INFINITY;
let isWanted = false;
let isWorking = false;
let isStopping = false;
/** Ends the wait after an error: who stops the index, or replaces a damaged database, waits for this thread. */
let wake = (): void => {};

self.onmessage = ({ data }: MessageEvent<ToUpkeepWorker>) => {
  switch (data.type) {
    case "open":
      open(data.paths);
      break;
    case "changed":
      changedMs = monotonicMs();
      want();
      break;
    case "removed":
      upkeep?.forget(data.ids);
      want();
      break;
    case "stop":
      isStopping = true;
      wake();
      if (!isWorking) stop();
  }
};

function open(paths: SearchPaths): void {
  try {
    source = new Database(paths.database, { readonly: true });
    source.run("PRAGMA busy_timeout = 5000");
    database = openSearchDatabase(paths.search, source, (message) =>
      tell({ type: "trouble", remedy: "none", message }),
    );
    upkeep = new SearchUpkeep(database, source);
    tell({ type: "opened" });
    want();
  } catch (error) {
    complain(error, "again");
  }
}

function want(): void {
  isWanted = true;
  if (!isWorking && upkeep !== undefined) void work(upkeep);
}

/** Never rejects. */
async function work(running: SearchUpkeep): Promise<void> {
  isWorking = true;
  await sleep(gatherMs);
  while (isWanted && !isStopping) {
    isWanted = false;
    try {
      await runGently(running.run(), () => isStopping);
      tell({ type: "indexed", upTo: running.upTo });
      await runGently(running.tidy(), () => isStopping || isWanted);
    } catch (error) {
      complain(error);
      isWanted = true;
      await sleepUntilWoken(retryMs);
    }
  }
  isWorking = false;
  if (isStopping) stop();
}

async function sleepUntilWoken(delayMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  wake = resolve;
  const timer = setTimeout(resolve, isStopping ? 0 : delayMs);
  await promise;
  clearTimeout(timer);
}

async function runGently(steps: Generator<void, void>, isOver: () => boolean): Promise<void> {
  for (let isDone = false; !isDone; ) {
    const beganMs = monotonicMs();
    while (!isDone && monotonicMs() < beganMs + workMs) isDone = steps.next().done === true;
    // What is not committed yet is read again after the next start.
    if (isOver() || isDone) return;
    await sleep(monotonicMs() < changedMs + writerBusyMs ? restBesideWriterMs : restMs);
  }
}

function stop(): void {
  upkeep = undefined;
  source?.close(true);
  database?.close(true);
  tell({ type: "stopped" });
}

function complain(error: unknown, remedy: Trouble["remedy"] = "none"): void {
  tell({ type: "trouble", remedy: isDamage(error) ? "anew" : remedy, message: reasonOf(error) });
}

function tell(message: FromUpkeepWorker): void {
  self.postMessage(message);
}
