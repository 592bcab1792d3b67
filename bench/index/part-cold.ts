/** A large database that is opened when nothing of it is in memory. */
import { checksTable, type Section } from "../transfer/report.ts";
import { type ColdStart, coldStart, describeColdStart } from "./cold-start.ts";
import { filesPerPeer, Grown } from "./growth-steps.ts";
import { load } from "./load-client.ts";
import { medianOf, rounds } from "./rounds.ts";
import { plainTarget, thousands } from "./tables.ts";
import type { Workspace } from "./workspace.ts";

export async function cold(workspace: Workspace): Promise<Section> {
  const shape = { peers: workspace.scaled(10_000), filesPerPeer };
  await using grown = await Grown.start(workspace, "disk", shape);
  const seconds = await grown.growTo(shape.peers);
  console.error(`  there after ${seconds.toFixed(0)} s`);
  const { index, digests, popularQueries } = grown;
  const warm = await rounds(workspace, "warm", () =>
    load(workspace, { server: index, file: popularQueries, connections: 50, warmSeconds: 2 }),
  );
  const warmRate = medianOf(warm, ({ rate }) => rate);
  const megabytes = index.files().reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
  await grown.end();
  const given = { folder: index.folder!, shape, digests, queries: popularQueries, warmRate };
  const alone = await coldStart(workspace, given);
  const watched = await coldStart(workspace, { ...given, isWatched: true });
  return {
    title: `Cold start with ${thousands(shape.peers * filesPerPeer)} holdings`,
    paragraphs: [
      `${thousands(shape.peers)} peers with ${thousands(filesPerPeer)} files each; the files of the index, ${megabytes.toFixed(0)} MB, are dropped from memory, and the index is started. Its peers come back as fast as it lets them, in any order, each with the digest of what it shares; then 50 connections ask for popular names, which a warm index answers ${thousands(warmRate)} times a second.`,
      `Nobody watches for files: ${describeColdStart(alone)}`,
      `Somebody watches from the start: ${describeColdStart(watched)}`,
      checksTable([
        plainTarget("the first answer", { atMost: 2 }, "s", alone.firstAnswer),
        halfOfWarm("half of the warm rate", alone),
        halfOfWarm("the same while somebody watches", watched),
      ]),
    ],
  };
}

function halfOfWarm(what: string, start: ColdStart) {
  return plainTarget(what, { atMost: 30 }, "s", start.halfOfWarm, start.halfOfWarm?.toFixed(1) ?? "never");
}
