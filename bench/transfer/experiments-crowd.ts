/** One seed and many who want the file at once, each on a host of its own: with capped rates, and without. */
import { mib } from "../measure.ts";
import { compare, fastest, find, medianOf, medianSeconds, type Series } from "./compare.ts";
import { p2p, p2pName } from "./contender-p2p.ts";
import { curlFromNginx } from "./contenders-http.ts";
import { aria2Torrent, libtorrentFast, libtorrentForCrowds } from "./contenders-torrent.ts";
import { fluidBoundSeconds } from "./fluid-bound.ts";
import { HostNetwork } from "./namespace.ts";
import { makeFilePayload, sizeText } from "./payload.ts";
import {
  type Column,
  check,
  checksTable,
  memoryChecks,
  programsTable,
  type Section,
  timeAgainst,
} from "./report.ts";
import { crowdPlan, type Plan } from "./stage.ts";
import type { Workspace } from "./workspace.ts";

export async function flashCrowd(workspace: Workspace): Promise<Section> {
  const downloaders = 8;
  const cap = 20 * mib;
  const payload = makeFilePayload(workspace.folder, workspace.settings.sizeBytes ?? 256 * mib);
  using network = await HostNetwork.of(1 + downloaders);
  const plan: Plan = { ...crowdPlan(workspace, payload, network), capBytesPerSecond: cap };
  const rates = Array<number>(downloaders).fill(cap);
  const bound = fluidBoundSeconds({
    fileBytes: payload.bytes,
    seedUp: cap,
    peersUp: rates,
    peersDown: rates,
  });
  const contenders = [p2p(), libtorrentForCrowds, aria2Torrent];
  const series = await compare(
    workspace,
    contenders.map((contender) => ({ contender, plan })),
  );
  const ours = find(series, p2pName);
  const overBound = ours === undefined ? undefined : medianSeconds(ours) / bound;
  const sent = ours === undefined ? undefined : sentRatio(ours);
  // Whoever sends more than allowed has won nothing.
  const rate = ours === undefined ? undefined : sentPerSecond(ours) / cap;
  return {
    title: `Flash crowd: 1 seed, ${downloaders} downloaders, all at ${sizeText(cap)}/s up and down, ${sizeText(payload.bytes)}`,
    paragraphs: [
      `The fluid bound is ${bound.toFixed(1)} s: no way to share the file is faster.`,
      programsTable(series, [
        { title: "× the bound", value: (each) => (medianSeconds(each) / bound).toFixed(2) },
        seedSent,
        { title: "the seed's rate", value: (each) => `${(sentPerSecond(each) / mib).toFixed(1)} MiB/s` },
      ]),
      checksTable([
        check(
          "the seed keeps its cap",
          "at most 1.05 × the cap",
          rate,
          `${rate?.toFixed(2)} ×`,
          (rate ?? 0) <= 1.05,
        ),
        check(
          "last downloader done",
          "within 1.15 × the bound",
          overBound,
          `${overBound?.toFixed(2)} ×`,
          (overBound ?? 0) <= 1.15,
        ),
        check(
          "sent by the seed",
          "at most 1.3 × the file",
          sent,
          `${sent?.toFixed(2)} ×`,
          (sent ?? 0) <= 1.3,
        ),
        timeAgainst(ours, fastest(series, "libtorrent"), "libtorrent", 1),
        timeAgainst(ours, fastest(series, "aria2"), "aria2", 1),
        ...memoryChecks(ours),
      ]),
    ],
  };
}

export async function openCrowd(workspace: Workspace): Promise<Section> {
  const downloaders = 4;
  const payload = makeFilePayload(workspace.folder, workspace.settings.sizeBytes ?? 512 * mib);
  using network = await HostNetwork.of(1 + downloaders);
  const plan = crowdPlan(workspace, payload, network);
  const contenders = [p2p(), curlFromNginx, ...libtorrentFast, libtorrentForCrowds, aria2Torrent];
  const series = await compare(
    workspace,
    contenders.map((contender) => ({ contender, plan })),
  );
  const ours = find(series, p2pName);
  const sharing = workspace.features.serving ? [] : ["This build of p2p does not share while it downloads."];
  return {
    title: `1 seed, ${downloaders} downloaders, no limits, ${sizeText(payload.bytes)}`,
    paragraphs: [
      "GiB/s is what all downloaders received together.",
      programsTable(series, [seedSent]),
      ...sharing,
      checksTable([
        timeAgainst(ours, fastest(series, "libtorrent"), "libtorrent at its best", 0.5),
        ...memoryChecks(ours),
      ]),
    ],
  };
}

const seedSent: Column = {
  title: "the seed sent",
  value: (each) => `${sentRatio(each).toFixed(2)} × the file`,
};

function sentRatio(series: Series): number {
  return medianOf(series, ({ sentBytes }) => sentBytes ?? Number.NaN) / series.task.plan.payload.bytes;
}

function sentPerSecond(series: Series): number {
  return medianOf(series, ({ sentBytes, seconds }) => (sentBytes ?? Number.NaN) / seconds);
}
