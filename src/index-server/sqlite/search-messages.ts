/** What passes between `search-thread.ts` and its two workers. */
import type { ErrorCode } from "../../wire/protocol-error.ts";
import type { SearchPage, SearchRequest } from "./search-run.ts";

export interface SearchPaths {
  /** The index's database, and that of the full text. */
  database: string;
  search: string;
}

export type ToSearchWorker =
  | { type: "open"; paths: SearchPaths; live: SharedArrayBuffer }
  | { type: "search"; id: number; request: SearchRequest }
  /** Nobody waits for it any more. */
  | { type: "cancel"; id: number }
  | { type: "stop" };

export type FromSearchWorker =
  | { type: "opened" }
  | { type: "found"; id: number; page: SearchPage }
  | { type: "refused"; id: number; code: ErrorCode; message: string }
  | Trouble
  | { type: "stopped" };

export type ToUpkeepWorker =
  | { type: "open"; paths: SearchPaths }
  /** There are new entries. */
  | { type: "changed" }
  /** Ids of entries that are gone. */
  | { type: "removed"; ids: Float64Array }
  | { type: "stop" };

export type FromUpkeepWorker =
  | { type: "opened" }
  /** The full text has all names up to this id. */
  | { type: "indexed"; upTo: number }
  | Trouble
  | { type: "stopped" };

/** Something is wrong with a database. */
export interface Trouble {
  type: "trouble";
  /** What helps: to start the threads again, to make the full text anew before; or what was tried is tried again. */
  remedy: "none" | "again" | "anew";
  message: string;
}
