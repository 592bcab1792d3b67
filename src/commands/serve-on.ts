/** `--serve-for`: what was fetched is served for a while longer. */
import { resolve } from "node:path";
import { formatDuration } from "../output/format.ts";
import type { QueryNode } from "../query-node.ts";
import { aborted } from "../shutdown.ts";
import type { CommandContext } from "./context.ts";

export interface FileToServe {
  name: string;
  path: string;
  sizeBytes: number;
  md5: string;
  root: string;
  /** As they have just been verified. Without them the file is read again. */
  chunkHashes?: Uint8Array | undefined;
}

/** A signal ends it, and is no failure: the files are there. */
export async function serveOn(
  node: QueryNode,
  files: readonly FileToServe[],
  seconds: number,
  { log, signal }: CommandContext,
): Promise<void> {
  try {
    for (const { name, path, chunkHashes, ...content } of files)
      await node.shareWhole(name, content, { path: resolve(path), chunkHashes }, signal);
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  const what = files.length === 1 ? "it" : "them";
  log.info(`serving ${what} for ${formatDuration(seconds)}; Ctrl-C ends that`);
  await Promise.race([aborted(signal), Bun.sleep(seconds * 1000)]);
}
