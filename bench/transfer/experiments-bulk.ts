/** One large file to one downloader: from one source, from three, in order to a pipe; and what TCP itself carries. */
import { gib } from "../measure.ts";
import { compare, fastest, find, medianOf, type Series } from "./compare.ts";
import { p2p, p2pName } from "./contender-p2p.ts";
import { aria2FromMetalink, aria2FromNginx, curlFromNginx } from "./contenders-http.ts";
import { copy, rsyncDaemon, tcpGibPerSecond } from "./contenders-plain.ts";
import { libtorrentFast } from "./contenders-torrent.ts";
import { makeFilePayload, type Payload, sizeText } from "./payload.ts";
import { check, checksTable, memoryChecks, programsTable, type Section, timesAsFast } from "./report.ts";
import { loopbackPlan } from "./stage.ts";
import type { Workspace } from "./workspace.ts";

/** The same for all experiments of this file, so that it is written once. */
function largeFile({ settings, folder }: Workspace): Payload {
  return makeFilePayload(folder, settings.sizeBytes ?? 2 * gib);
}

export async function oneSource(workspace: Workspace): Promise<Section> {
  const payload = largeFile(workspace);
  const plan = loopbackPlan(workspace, payload);
  const contenders = [
    ...[p2p(), curlFromNginx, aria2FromNginx, aria2FromMetalink],
    ...[...libtorrentFast, rsyncDaemon, copy],
  ];
  const series = await compare(
    workspace,
    contenders.map((contender) => ({ contender, plan })),
  );
  const ours = find(series, p2pName);
  const tcp = await tcpGibPerSecond(workspace, plan);
  return {
    title: `One source, ${sizeText(payload.bytes)}`,
    paragraphs: [
      programsTable(series),
      tcpShare(ours, tcp),
      checksTable([
        timesAsFast(ours, find(series, curlFromNginx.name), "curl", 1),
        timesAsFast(ours, find(series, aria2FromMetalink.name), "aria2 with verification", 2),
        timesAsFast(ours, fastest(series, "libtorrent"), "libtorrent at its best", 2),
        ...memoryChecks(ours),
      ]),
    ],
  };
}

function tcpShare(ours: Series | undefined, tcp: number | undefined): string {
  if (tcp === undefined) return "TCP itself was not measured: iperf3 is not installed.";
  const carries = `TCP itself (iperf3, better of 1 and 4 streams) carries ${tcp.toFixed(2)} GiB/s here`;
  if (ours === undefined) return `${carries}.`;
  const sizeGib = ours.task.plan.payload.bytes / gib;
  const rate = sizeGib / medianOf(ours, ({ seconds }) => seconds);
  return `${carries}; p2p reaches ${((100 * rate) / tcp).toFixed(0)} % of it.`;
}

const oneSourceLabel = "from one source";

export async function threeSources(workspace: Workspace): Promise<Section> {
  const payload = largeFile(workspace);
  const plan = loopbackPlan(workspace, payload, 3);
  const single = { contender: p2p({ label: oneSourceLabel }), plan: loopbackPlan(workspace, payload) };
  const contenders = [p2p(), aria2FromNginx, aria2FromMetalink, ...libtorrentFast];
  const series = await compare(workspace, [single, ...contenders.map((contender) => ({ contender, plan }))]);
  const ours = find(series, p2pName);
  return {
    title: `Three sources, ${sizeText(payload.bytes)}`,
    paragraphs: [
      programsTable(series),
      checksTable([
        timesAsFast(ours, find(series, `${p2pName} ${oneSourceLabel}`), "itself with one source", 1),
        timesAsFast(ours, fastest(series, "libtorrent", aria2FromMetalink.name), "the best that verifies", 2),
        ...memoryChecks(ours),
      ]),
    ],
  };
}

const orderedLabel = "-o - >/dev/null";

export async function ordered(workspace: Workspace): Promise<Section> {
  const payload = largeFile(workspace);
  const plan = loopbackPlan(workspace, payload);
  const compared = p2p({ label: "-o - | cmp", pipeTo: ({ payloadPath }) => `cmp - '${payloadPath}'` });
  const contenders = [p2p(), p2p({ label: orderedLabel, pipeTo: "null" })];
  const series = await compare(
    workspace,
    contenders.map((contender) => ({ contender, plan })),
  );
  // What goes to /dev/null is compared with nothing: once it is.
  const [comparison] = await compare(workspace, [{ contender: compared, plan }], 1);
  const [file, piped] = [find(series, p2pName), find(series, `${p2pName} ${orderedLabel}`)];
  const bytes = comparison?.problem ?? "once piped into cmp: byte for byte the payload";
  const ratio = file === undefined || piped === undefined ? undefined : rateRatio(piped, file);
  const figure = "`-o - >/dev/null` against the file";
  return {
    title: `In order to a pipe, ${sizeText(payload.bytes)}`,
    paragraphs: [
      programsTable(series),
      `The bytes of \`-o -\`: ${bytes}.`,
      checksTable([
        check(figure, "at least 0.5 of its rate", ratio, `${ratio?.toFixed(2)}`, (ratio ?? 0) >= 0.5),
        ...memoryChecks(piped),
      ]),
    ],
  };
}

/** What that means for somebody who has to buy a machine. */
function hardwareFor(closed: Series): string {
  const sizeGib = closed.task.plan.payload.bytes / gib;
  const perGib = (whose: "downloaderCpu" | "sourceCpu") =>
    medianOf(closed, (trial) => trial[whose].user + trial[whose].system) / sizeGib;
  const [receiving, sending] = [perGib("downloaderCpu"), perGib("sourceCpu")];
  // Bits a second on the line, less 6 % for its frames, in GiB.
  const share = (bits: number, cpu: number) => `${(100 * ((bits * 0.94) / 8 / gib) * cpu).toFixed(0)} %`;
  return (
    `A GiB in a private network takes ${receiving.toFixed(2)} s of CPU where it is fetched (TLS, SHA-256 and writing) and ` +
    `${sending.toFixed(2)} s where it is served. So a full line of 1 Gbit/s takes ${share(1e9, receiving)} of such a core there and ` +
    `${share(1e9, sending)} here, one of 10 Gbit/s ${share(1e10, receiving)} and ${share(1e10, sending)}.`
  );
}

function rateRatio(one: Series, other: Series): number {
  return medianOf(other, ({ seconds }) => seconds) / medianOf(one, ({ seconds }) => seconds);
}

const encryptedLabel = "in a private network";

/** What TLS costs: the same download, encrypted and with both sides known by their fingerprints. */
export async function encrypted(workspace: Workspace): Promise<Section> {
  const payload = largeFile(workspace);
  const plan = loopbackPlan(workspace, payload);
  const contenders = [p2p(), p2p({ label: encryptedLabel, isPrivate: true })];
  const series = await compare(
    workspace,
    contenders.map((contender) => ({ contender, plan })),
  );
  const [open, closed] = [find(series, p2pName), find(series, `${p2pName} ${encryptedLabel}`)];
  const ratio = open === undefined || closed === undefined ? undefined : rateRatio(closed, open);
  return {
    title: `Encrypted, ${sizeText(payload.bytes)}`,
    paragraphs: [
      programsTable(series),
      ...(closed === undefined ? [] : [hardwareFor(closed)]),
      checksTable([
        check(
          "encrypted against open",
          "at least 0.6 of its rate",
          ratio,
          `${ratio?.toFixed(2)}`,
          (ratio ?? 0) >= 0.6,
        ),
        ...memoryChecks(closed),
      ]),
    ],
  };
}
