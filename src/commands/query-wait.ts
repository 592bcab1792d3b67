/** `p2p query NAME --wait`: until somebody has it. */
import { monotonicMs } from "../clock.ts";
import { IndexError, NotFoundError } from "../errors.ts";
import type { IndexClient } from "../net/index-client.ts";
import { IndexRefusal } from "../net/index-refusal.ts";
import { listAll } from "../net/list-all.ts";
import { formatDuration } from "../output/format.ts";
import { printable } from "../printable.ts";
import type { QueryNode } from "../query-node.ts";
import { unlessAborted } from "../shutdown.ts";
import { isMeant, type Meant, meantOf } from "../transfer/choose-content.ts";
import { isPossibleName } from "../transfer/fetch.ts";
import { isPattern } from "../transfer/fetch-folder.ts";
import { patternOf } from "../transfer/folder-look.ts";
import { maxNameBytes } from "../wire/limits.ts";
import type { CommandContext } from "./context.ts";

export interface Wanted {
  /** As the user typed it. */
  name: string;
  meant: Meant;
  seconds: number;
}

/** How often it is looked whether the index is still there, or there again. */
const lookMs = 500;
/** Of names that fit a pattern an index tells nobody: it is asked, less and less often. */
const firstAskMs = 1_000;
const lastAskMs = 30_000;

/**
 * Resolves when the index names a source of what is meant. An index that is lost meanwhile, or not there at first, is
 * waited for like a source. At the end of the time it throws NotFoundError, or IndexError when no index has answered.
 */
export async function waitUntilThere(
  node: QueryNode,
  wanted: Wanted,
  { log, signal }: Pick<CommandContext, "log" | "signal">,
): Promise<void> {
  const { name, seconds } = wanted;
  const shown = printable(name, maxNameBytes);
  if (!isPossibleName(name)) return;
  const endMs = monotonicMs() + seconds * 1000;
  let hasSaid = false;
  const onWaiting = () => {
    if (!hasSaid) log.info(`nobody shares ${shown} yet; waiting for up to ${formatDuration(seconds)}`);
    hasSaid = true;
  };
  const isThere = isPattern(name) ? isListed : isNamed;
  let problem: IndexError | undefined = new IndexError("the index cannot be reached");
  do {
    try {
      if (await isThere(node.index, wanted, endMs, signal, onWaiting)) return;
      problem = undefined;
    } catch (error) {
      if (!(error instanceof IndexError) || isFinal(error)) throw error;
      problem = error;
    }
    await unlessAborted(Bun.sleep(Math.max(0, Math.min(lookMs, endMs - monotonicMs()))), signal);
  } while (monotonicMs() < endMs);
  if (problem !== undefined) throw problem;
  const fits = isPattern(name) ? "a file that fits " : "";
  throw new NotFoundError(`nobody has shared ${fits}${shown} within ${formatDuration(seconds)}`);
}

/** It would say the same again. */
function isFinal(error: IndexError): boolean {
  return error instanceof IndexRefusal && error.wireCode !== "RETRY";
}

/** The index tells as soon as one has come. False when the index is gone, or the time is over. */
async function isNamed(
  index: IndexClient,
  { name, meant }: Wanted,
  endMs: number,
  signal: AbortSignal,
  onWaiting: () => void,
): Promise<boolean> {
  const subscription = await unlessAborted(index.subscribe(name), signal);
  try {
    if (meantOf(subscription.contents, meant).length > 0) return true;
    const told = Promise.withResolvers<boolean>();
    subscription.listen((contents) => {
      if (meantOf(contents, meant).length > 0) told.resolve(true);
    });
    onWaiting();
    while (index.isOpen && monotonicMs() < endMs) {
      const look = Bun.sleep(Math.min(lookMs, Math.max(0, endMs - monotonicMs()))).then(() => false);
      if (await unlessAborted(Promise.race([told.promise, look]), signal)) return true;
    }
    return false;
  } finally {
    subscription.end();
  }
}

/** The same for all that may fit a pattern. */
async function isListed(
  index: IndexClient,
  { name, meant }: Wanted,
  endMs: number,
  signal: AbortSignal,
  onWaiting: () => void,
): Promise<boolean> {
  for (let askMs = firstAskMs; index.isOpen; askMs = Math.min(2 * askMs, lastAskMs)) {
    const pages = listAll(index, patternOf(name));
    for (;;) {
      const page = await unlessAborted(pages.next(), signal);
      if (page.done) break;
      if (page.value.some((file) => isMeant(file, meant))) return true;
    }
    onWaiting();
    const leftMs = endMs - monotonicMs();
    if (leftMs <= 0) return false;
    await unlessAborted(Bun.sleep(Math.min(askMs, leftMs)), signal);
  }
  return false;
}
