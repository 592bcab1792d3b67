/** How a download ends, or that it goes on. Pure; a part of the scheduler, which owns the states this looks at. */
import type { DownloadLife } from "./download-life.ts";
import type { IndexAsking } from "./index-asking.ts";
import type { ChunkPicker } from "./pick.ts";
import type { SourceTable } from "./source-table.ts";

export type Outcome =
  | { kind: "complete" }
  /** No source is left and at least one sent wrong data. */
  | { kind: "wrong-data" }
  /** No source is left, and at least one is not the machine that is meant. */
  | { kind: "another-machine" }
  /** Every source that is left says that it no longer has this content. */
  | { kind: "gone" }
  | { kind: "timeout" };

/** Undefined while it goes on. */
export function outcomeOf(
  picker: ChunkPicker,
  table: SourceTable,
  life: DownloadLife,
  index: IndexAsking,
  nowMs: number,
): Outcome | undefined {
  if (picker.done) return { kind: "complete" };
  // Nobody is to blame when nothing comes because whoever reads is not ready for more.
  if (picker.isWaitingForReader) life.onVerified(nowMs);
  const isOver = nowMs >= life.deadlineMs;
  if (!isOver && table.hasCandidates) return undefined;
  const { exclusions, hasCandidates } = table;
  const lied = exclusions.has("wrong data");
  if (!hasCandidates && exclusions.size > 0 && index.isCurrent) {
    if (lied) return { kind: "wrong-data" };
    return { kind: exclusions.has("another machine") ? "another-machine" : "gone" };
  }
  if (!isOver) return undefined;
  return lied && table.activeSources === 0 ? { kind: "wrong-data" } : { kind: "timeout" };
}
