/**
 * Worker entry point: answers SEARCHes from read connections of its own. Several take turns of a few milliseconds;
 * what a search is and finds is search-run.ts.
 */
import { Database } from "bun:sqlite";
import { setImmediate } from "node:timers/promises";
import { monotonicMs } from "../../clock.ts";
import { reasonOf } from "../../errors.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { codeForPeer, isDamage } from "./database.ts";
import { LiveBits } from "./live-peers.ts";
import { SearchCandidates } from "./search-candidates.ts";
import { SearchHolders } from "./search-holders.ts";
import type { FromSearchWorker, SearchPaths, ToSearchWorker, Trouble } from "./search-messages.ts";
import { type SearchPage, type SearchRequest, SearchRun } from "./search-run.ts";
import { SearchTail } from "./search-tail.ts";

declare const self: Worker;

/** How long one search is worked on before the next gets its turn. */
const turnMs = 3;
/** How long it is worked on in all; then it is answered with what was found, and where to go on. */
const searchMs = 100;
/** Searches that take turns; others wait. */
const maxRunning = 8;
/** Below the 4 s after which a client gives a SEARCH up, with time left to run it. */
const patienceMs = 2_000;

interface Asked {
  id: number;
  request: SearchRequest;
  cameMs: number;
}

interface Running {
  id: number;
  steps: Generator<void, SearchPage>;
  usedMs: number;
  turnBeganMs: number;
}

let databases: Database | undefined;
let candidates: SearchCandidates;
let holders: SearchHolders;
const waiting = new Map<number, Asked>();
const running = new Map<number, Running>();
let isWorking = false;

self.onmessage = ({ data }: MessageEvent<ToSearchWorker>) => {
  switch (data.type) {
    case "open":
      open(data.paths, new LiveBits(data.live));
      break;
    case "search":
      waiting.set(data.id, { id: data.id, request: data.request, cameMs: monotonicMs() });
      if (!isWorking) void work();
      break;
    case "cancel":
      waiting.delete(data.id);
      running.delete(data.id);
      break;
    case "stop":
      waiting.clear();
      running.clear();
      databases?.close(true);
      databases = undefined;
      tell({ type: "stopped" });
  }
};

function open({ database, search }: SearchPaths, live: LiveBits): void {
  try {
    databases = new Database(database, { readonly: true });
    databases.run("PRAGMA busy_timeout = 1000");
    databases.run("ATTACH ? AS search", [search]);
    databases.run("PRAGMA cache_size = -16384");
    databases.run("PRAGMA search.cache_size = -16384");
    candidates = new SearchCandidates(databases, new SearchTail(databases));
    holders = new SearchHolders(databases, live);
    tell({ type: "opened" });
  } catch (error) {
    complain(error, "again");
  }
}

/** Never rejects. */
async function work(): Promise<void> {
  isWorking = true;
  while (waiting.size + running.size > 0) {
    for (const asked of waiting.values()) {
      if (running.size >= maxRunning) break;
      waiting.delete(asked.id);
      begin(asked);
    }
    for (const search of running.values()) turn(search);
    // Messages come in between.
    await setImmediate();
  }
  isWorking = false;
}

function begin({ id, request, cameMs }: Asked): void {
  if (monotonicMs() > cameMs + patienceMs) {
    refuse(id, new ProtocolError("RETRY"));
    return;
  }
  const search: Running = {
    id,
    usedMs: 0,
    turnBeganMs: 0,
    steps: stepsOf(request, (times) => isSpent(search, times)),
  };
  running.set(id, search);
}

/** What is wrong with the request is thrown with its first step. */
function* stepsOf(request: SearchRequest, isOver: (times?: number) => boolean): Generator<void, SearchPage> {
  return yield* new SearchRun(request, candidates, holders, isOver).run();
}

function isSpent({ usedMs, turnBeganMs }: Running, times = 1): boolean {
  return usedMs + monotonicMs() - turnBeganMs > times * searchMs;
}

function turn(search: Running): void {
  const { id, steps } = search;
  search.turnBeganMs = monotonicMs();
  const endsMs = search.turnBeganMs + turnMs;
  try {
    // Without it each statement would take and leave the locks by itself.
    databases?.run("BEGIN");
    do {
      const step = steps.next();
      if (step.done !== true) continue;
      running.delete(id);
      tell({ type: "found", id, page: step.value });
      return;
    } while (monotonicMs() < endsMs);
  } catch (error) {
    running.delete(id);
    refuse(id, error);
  } finally {
    // After some errors SQLite has ended it by itself.
    if (databases?.inTransaction === true) databases.run("COMMIT");
  }
  search.usedMs += monotonicMs() - search.turnBeganMs;
}

function refuse(id: number, error: unknown): void {
  if (error instanceof ProtocolError) {
    tell({ type: "refused", id, code: error.code, message: error.message });
  } else {
    tell({ type: "refused", id, code: codeForPeer(error), message: "" });
    complain(error);
  }
}

function complain(error: unknown, remedy: Trouble["remedy"] = "none"): void {
  tell({ type: "trouble", remedy: isDamage(error) ? "anew" : remedy, message: reasonOf(error) });
}

function tell(message: FromSearchWorker): void {
  self.postMessage(message);
}
