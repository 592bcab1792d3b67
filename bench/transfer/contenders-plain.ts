/** rsync's daemon, and the two limits that nobody passes on this machine: cp and iperf3. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gib } from "../measure.ts";
import { missing, oneShots } from "./contenders-http.ts";
import { iperf3, pathOf, rsync } from "./programs.ts";
import { type Contender, type Plan, Stage, waitForPort } from "./stage.ts";
import type { Workspace } from "./workspace.ts";

const rsyncPort = 8730;

export const rsyncDaemon: Contender = {
  name: "rsync daemon",
  verifies: "whole files, xxHash",
  absent: () => missing(rsync),
  prepare: async (stage) => {
    const { sources, downloaders, payload } = stage.plan;
    for (const [at, source] of sources.entries()) {
      const config = join(stage.newFolder(`rsync-${at}`), "rsyncd.conf");
      writeFileSync(
        config,
        `uid = root\ngid = root\nuse chroot = no\n[payload]\npath = ${payload.folder}\nread only = yes\n`,
      );
      const listen = [`--address=${source.address}`, `--port=${rsyncPort}`];
      const argv = [pathOf(rsync), "--daemon", "--no-detach", `--config=${config}`, ...listen];
      stage.start("source", source, argv);
      await waitForPort(source.address, rsyncPort);
    }
    const from = (at: number) => sources[at % sources.length]!.address;
    return oneShots(
      stage,
      [...downloaders.keys()].map((at) => [
        ...[pathOf(rsync), "-r", "--whole-file", "--inplace"],
        `rsync://${from(at)}:${rsyncPort}/payload/${payload.name}`,
        `${stage.outputFolder(at)}/`,
      ]),
    );
  },
};

export const copy: Contender = {
  name: "cp (limit)",
  verifies: "nothing",
  absent: () => undefined,
  prepare: async (stage) =>
    oneShots(
      stage,
      [...stage.plan.downloaders.keys()].map((at) => ["cp", "-r", stage.payloadPath, stage.outputFolder(at)]),
    ),
};

/** What TCP itself carries from the first source to the first downloader, in GiB/s; the best of 1 and 4 streams. */
export async function tcpGibPerSecond(workspace: Workspace, plan: Plan): Promise<number | undefined> {
  if (missing(iperf3) !== undefined) return undefined;
  const rates: number[] = [];
  for (const streams of [1, 4]) {
    await using stage = new Stage(workspace, plan);
    const [source, downloader] = [plan.sources[0]!, plan.downloaders[0]!];
    const server = stage.start("source", source, [
      pathOf(iperf3),
      "-s",
      "-1",
      "-B",
      source.address,
      "--forceflush",
    ]);
    await server.process.waitUntil(() => server.process.stdout.includes("listening"), "iperf3 server");
    const client = [pathOf(iperf3), "-c", source.address, "-P", String(streams), "-t", "3", "-J", "-R"];
    const { process } = stage.start("downloader", downloader, client);
    if ((await process.exit(plan.timeoutMs)) !== 0) throw new Error(process.said());
    const { end } = JSON.parse(process.stdout) as { end: { sum_received: { bits_per_second: number } } };
    rates.push(end.sum_received.bits_per_second / 8 / gib);
  }
  return Math.max(...rates);
}
