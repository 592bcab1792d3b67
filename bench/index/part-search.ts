/** SEARCH among 3.75 million distinct names, and how fast the full text follows those that register. */
import { checksTable, type Section } from "../transfer/report.ts";
import { untilSearchable } from "./ask.ts";
import { uniqueFile, uniqueFiles } from "./catalogue.ts";
import { Crowd } from "./crowd.ts";
import { type LoadResult, load } from "./load-client.ts";
import { type SearchKind, searchKinds, writeSearches } from "./requests.ts";
import { type Round, rounds, roundsText } from "./rounds.ts";
import { startIndex } from "./servers.ts";
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
  return section(names, { registered, lag, followed }, all);
}

function section(
  names: number,
  upkeep: { registered: number; lag: number; followed: number },
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
      upkeep.followed,
      thousands(upkeep.followed),
    ),
  );
  return {
    title: `SEARCH among ${thousands(names)} distinct names, on disk`,
    paragraphs: [
      `One connection, one SEARCH at a time for words of names that are there (or none is), at most 50 hits. The names were registered in ${upkeep.registered.toFixed(0)} s, and the last of them was found ${upkeep.lag.toFixed(1)} s later; making them up took a part of the machine meanwhile. Rounds: ${roundsText(all)}.`,
      markdownTable(["search", "a second", "p50, ms", "p99, ms", "longest, ms"], rows),
      checksTable(checks),
    ],
  };
}
