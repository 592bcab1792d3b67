/** Where the cost of a file counts and not that of a byte: two thousand small files, and a single one. */
import { compare, fastest, find, medianSeconds } from "./compare.ts";
import { p2p, p2pName } from "./contender-p2p.ts";
import { aria2FromNginx, curlFromNginx } from "./contenders-http.ts";
import { rsyncDaemon } from "./contenders-plain.ts";
import { libtorrentFast } from "./contenders-torrent.ts";
import { makeFilePayload, makeFolderPayload } from "./payload.ts";
import { check, checksTable, memoryChecks, programsTable, type Section, timeAgainst } from "./report.ts";
import { loopbackPlan } from "./stage.ts";
import type { Workspace } from "./workspace.ts";

const contenders = [p2p(), rsyncDaemon, aria2FromNginx, ...libtorrentFast, curlFromNginx];

export async function manyFiles(workspace: Workspace): Promise<Section> {
  const { files } = workspace.settings;
  const payload = makeFolderPayload(workspace.folder, files, 64 * 1024);
  const plan = loopbackPlan(workspace, payload);
  const series = await compare(
    workspace,
    contenders.map((contender) => ({ contender, plan })),
  );
  const ours = find(series, p2pName);
  const best = fastest(series, "rsync", "aria2", "libtorrent");
  const winner = best === undefined ? "" : ` (${best.task.contender.name})`;
  return {
    title: `${files.toLocaleString("en")} files of 64 KiB`,
    paragraphs: [
      programsTable(series),
      checksTable([
        timeAgainst(ours, best, `the best of rsync, aria2 and libtorrent${winner}`, 0.8),
        ...memoryChecks(ours),
      ]),
    ],
  };
}

/** Short runs are noisy, so there are more of them. */
const runsPerRun = 4;
const tinyBytes = 1024;
const targetMs = 60;

export async function tinyFile(workspace: Workspace): Promise<Section> {
  const payload = makeFilePayload(workspace.folder, tinyBytes);
  const plan = loopbackPlan(workspace, payload);
  const series = await compare(
    workspace,
    contenders.map((contender) => ({ contender, plan })),
    workspace.settings.runs * runsPerRun,
  );
  const ours = find(series, p2pName);
  const ms = ours === undefined ? undefined : medianSeconds(ours) * 1000;
  return {
    title: "One file of 1 KiB, whole command",
    paragraphs: [
      "Of libtorrent's time the start of Python is left out.",
      programsTable(series),
      checksTable([
        check(
          "`p2p query` of 1 KiB",
          `at most ${targetMs} ms`,
          ms,
          `${ms?.toFixed(0)} ms`,
          (ms ?? 0) <= targetMs,
        ),
      ]),
    ],
  };
}
