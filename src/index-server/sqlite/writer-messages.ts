/** What passes between the index's thread (writer-thread.ts) and the one that writes (writer-worker.ts). */
import type { FileEntry } from "../../wire/messages.ts";
import type { ErrorCode } from "../../wire/protocol-error.ts";
import type { CatalogLimits, ChangeType } from "../catalog.ts";

export type ToWriter =
  | {
      kind: "open";
      path: string;
      limits: CatalogLimits;
      /** See `ChangeStamps`. */
      stamps: SharedArrayBuffer;
      /** See `PeerPorts`. */
      ports: SharedArrayBuffer;
      /** See `WantedFiles`. */
      wanted: SharedArrayBuffer;
      /** Rows of a peer that left are kept for so long. */
      keepLeftMs: number;
    }
  /** A peer has the slot from now on. */
  | { kind: "join"; slot: number }
  /** Of each slot UPDATEs after one another, or one REGISTER. `line`: a REGISTER or UPDATE as it came. */
  | { kind: "apply"; request: number; slot: number; host: string; type: ChangeType; line: Uint8Array }
  /** Which of the files of a peer that came back somebody may want to hear of: answered with `news`. */
  | { kind: "survey"; slot: number }
  | { kind: "leave"; slot: number }
  /** Whether anything can be written now. */
  | { kind: "probe" }
  | { kind: "close" };

/** How a request ended. `id` is that of its line. */
export type Outcome =
  | {
      kind: "applied";
      id: number;
      held: boolean | undefined;
      /** What the peer has now, and where. */
      slot: number;
      port: number;
      files: number;
    }
  /** By the protocol; nothing was done. */
  | { kind: "refused"; id: number | null; code: ErrorCode; message: string }
  /** By the database; some of it may have been done. */
  | { kind: "failed"; id: number | null; code: ErrorCode };

export type FromWriter =
  /** Slots whose peers left, and whose rows are still there. */
  | { kind: "opened"; hiddenSlots: number[]; names: number }
  | { kind: "outcome"; request: number; outcome: Outcome }
  /** Rows have changed: `names` is the count of distinct ones, `removed` are entries that are gone. */
  | { kind: "committed"; names: number; removed: number[] }
  /** So many peers left and have rows. */
  | { kind: "hidden"; count: number }
  /** Files of that peer can be found now and could not before, and somebody may want to hear of them. */
  | { kind: "news"; slot: number; files: FileEntry[] }
  /** No row of it is left. */
  | { kind: "released"; slot: number }
  /** A line for the log. */
  | { kind: "trouble"; line: string }
  /** The database is not to be used any more: a line for the log. */
  | { kind: "damaged"; line: string }
  /** Undefined: it can be written to. */
  | { kind: "probed"; problem: string | undefined }
  | { kind: "closed" };
