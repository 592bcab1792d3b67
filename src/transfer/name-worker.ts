/**
 * Worker entry point: gives drafts their names, many at a time. A thread of its own because it waits for the disk, which
 * must stop neither the sockets nor the decisions.
 */
import { reasonOf } from "../errors.ts";
import { syncFiles } from "../library/sync-files.ts";
import { type Draft, nameDraft, removeDraft, type StoreFailure } from "./drafts.ts";

declare const self: Worker;

export type FromNameWorker =
  /** In the order of the drafts. */
  | { kind: "named"; failures: (StoreFailure | undefined)[] }
  /** Nothing more can be stored; those drafts are gone. */
  | { kind: "failed"; reason: string };

self.onmessage = ({ data: drafts }: MessageEvent<Draft[]>) => {
  let answer: FromNameWorker;
  try {
    syncFiles(drafts.map(({ draft }) => draft));
    answer = { kind: "named", failures: drafts.map(nameDraft) };
  } catch (error) {
    for (const { draft } of drafts) removeDraft(draft);
    answer = { kind: "failed", reason: reasonOf(error) };
  }
  self.postMessage(answer);
};
