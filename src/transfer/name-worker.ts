/**
 * Worker entry point: gives drafts their names, many at a time. A thread of its own because it waits for the disk, which
 * must stop neither the sockets nor the decisions.
 */
import { reasonOf } from "../errors.ts";
import { syncFiles } from "../library/sync-files.ts";
import { closeFolders, type Draft, failureOf, nameDraft, removeDraft, type StoreFailure } from "./drafts.ts";

declare const self: Worker;

export interface FromNameWorker {
  /** What became of each, in their order: of all of them, or of those before nothing more could be stored. */
  failures: (StoreFailure | undefined)[];
  /** Why nothing more can be stored; the drafts that are left are gone. */
  fatal: string | undefined;
}

self.onmessage = ({ data: drafts }: MessageEvent<Draft[]>) => {
  const answer: FromNameWorker = { failures: [], fatal: undefined };
  try {
    const name = areSynced(drafts) ? nameDraft : syncAndName;
    for (const draft of drafts) answer.failures.push(name(draft));
  } catch (error) {
    answer.fatal = reasonOf(error);
    for (const { draft } of drafts.slice(answer.failures.length)) removeDraft(draft);
  }
  closeFolders();
  self.postMessage(answer);
};

/** False when one of them is gone, say, or its folder may not be read: the others have nothing to do with that. */
function areSynced(drafts: readonly Draft[]): boolean {
  try {
    syncFiles(drafts.map(({ draft }) => draft));
    return true;
  } catch (error) {
    failureOf(error);
    return false;
  }
}

function syncAndName(draft: Draft): StoreFailure | undefined {
  try {
    syncFiles([draft.draft]);
  } catch (error) {
    removeDraft(draft.draft);
    return failureOf(error);
  }
  return nameDraft(draft);
}
