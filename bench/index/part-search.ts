/** SEARCH among 3.75 million distinct names, how fast the full text follows those that register, and how fast it is made. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { checksTable, type Section } from "../transfer/report.ts";
import { untilSearchable } from "./ask.ts";
import { uniqueFile, uniqueFiles } from "./catalogue.ts";
import { Crowd } from "./crowd.ts";
import { libraryDigest, returnLine } from "./digest.ts";
import { type LoadResult, load } from "./load-client.ts";
import { type SearchKind, searchKinds, writeSearches } from "./requests.ts";
import { type Round, rounds, roundsText } from "./rounds.ts";
import { type Server, startIndex } from "./servers.ts";
import { markdownTable, milliseconds, plainTarget, rates, target, thousands } from "./tables.ts";
import type { Workspace } from "./workspace.ts";

const namesPerPeer = 10_000;

type OneRound = Record<SearchKind, LoadResult>;

export async function search(workspace: Workspace): Promise<Section> {
  const peers = workspace.scaled(375);
  const names = peers * namesPerPeer;
  await using index = await startIndex(workspace, "disk");
  await using crowd = new Crowd(index.port);
  const registered = await crowd.joinEach(peers, (at) => uniqueFiles(at * namesPerPeer, namesPerPeer));
  // Only the last ones were certainly registered last: peers register several at a time.
  const lag = await untilSearchable(index.port, uniqueFile(names - 1).name);
  const followed = names / (registered + lag);
  console.error(
    `  search: ${thousands(names)} names registered in ${registered.toFixed(0)} s, found ${lag.toFixed(1)} s later`,
  );
  const files = searchKinds.map((kind) => {
    const file = workspace.path("searches");
    writeSearches(file, kind, names);
    return { kind, file };
  });
  const all = await rounds(workspace, "search", async () => {
    const round: Partial<OneRound> = {};
    for (const { kind, file } of files) round[kind] = await load(workspace, { server: index, file });
    return round as OneRound;
  });
  const made = names / (await secondsToMake(workspace, index, peers));
  return section(names, { registered, lag, followed, made }, all);
}

/** The full text is lost: until the index has made it again from names that it knows, its peers back and nobody writing. */
async function secondsToMake(workspace: Workspace, index: Server, peers: number): Promise<number> {
  await index.end();
  const folder = index.folder!;
  for (const suffix of ["", "-wal", "-shm"])
    rmSync(join(folder, `index.db.search${suffix}`), { force: true });
  const digests = Array.from({ length: peers }, (_, at) =>
    libraryDigest(uniqueFiles(at * namesPerPeer, namesPerPeer)),
  );
  await using again = await startIndex(workspace, "disk", { folder });
  await using crowd = new Crowd(again.port);
  const startedMs = performance.now();
  await crowd.add(peers, (at, port) => [returnLine(port, digests[at]!, namesPerPeer)]);
  await untilSearchable(again.port, uniqueFile(peers * namesPerPeer - 1).name);
  return (performance.now() - startedMs) / 1000;
}

function section(
  names: number,
  upkeep: { registered: number; lag: number; followed: number; made: number },
  all: Round<OneRound>[],
): Section {
  const rows = searchKinds.map((kind) => [
    ...[kind, rates(all, (value) => value[kind].rate), milliseconds(all, (value) => value[kind].p50Us)],
    ...[milliseconds(all, (value) => value[kind].p99Us), milliseconds(all, (value) => value[kind].maxUs)],
  ]);
  const checks = searchKinds
    .slice(0, 3)
    .flatMap((kind) => [
      target(`SEARCH p50, ${kind}`, { atMost: 1 }, "ms", all, (value) => value[kind].p50Us / 1000),
      target(`SEARCH p99, ${kind}`, { atMost: 20 }, "ms", all, (value) => value[kind].p99Us / 1000),
    ]);
  checks.push(
    plainTarget(
      "new names in the full text",
      { atLeast: 40_000 },
      "a second",
      upkeep.made,
      thousands(upkeep.made),
    ),
  );
  return {
    title: `SEARCH among ${thousands(names)} distinct names, on disk`,
    paragraphs: [
      `One connection, one SEARCH at a time for words of names that are there (or none is), at most 50 hits. The names were registered in ${upkeep.registered.toFixed(0)} s, and the last of them was found ${upkeep.lag.toFixed(1)} s later: ${thousands(upkeep.followed)} a second were registered and found; making them up took a part of the machine meanwhile. How many names a second go into the full text is measured apart: it is removed, the index started again, its peers come back, and the last name is waited for. Rounds: ${roundsText(all)}.`,
      markdownTable(["search", "a second", "p50, ms", "p99, ms", "longest, ms"], rows),
      checksTable(checks),
    ],
  };
}
