/** libtorrent 2 and aria2 as BitTorrent clients. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mib } from "../measure.ts";
import { aria2Basics, missing } from "./contenders-http.ts";
import { aria2, debianPython, libtorrent, pathOf } from "./programs.ts";
import { type Contender, isCrowd, type Stage, type StartDownload, waitForPort, waitUntil } from "./stage.ts";
import { writeTorrent } from "./torrent-file.ts";
import { Tracker } from "./tracker.ts";

const port = 6881;
const driver = join(import.meta.dir, "libtorrent-peer.py");

interface LibtorrentSettings {
  pieceBytes: number;
  /** As libtorrent-peer.py knows them. */
  options?: readonly string[];
}

export function libtorrentPeer(label: string, { pieceBytes, options = [] }: LibtorrentSettings): Contender {
  return {
    name: `libtorrent 2, ${label}`,
    verifies: "each piece, SHA-1",
    absent: () => missing(libtorrent),
    prepare: async (stage) => {
      const { plan } = stage;
      const torrent = join(plan.cacheFolder, `${pieceBytes}.torrent`);
      if (!existsSync(torrent)) writeTorrent(plan.payload, torrent, { pieceBytes });
      const cap = plan.capBytesPerSecond === undefined ? [] : [`cap=${plan.capBytesPerSecond}`];
      const all = [debianPython, driver, `torrent=${torrent}`, `port=${port}`, ...cap, ...options];
      for (const source of plan.sources) {
        const seed = [...all, "seed=1", `folder=${plan.payload.folder}`, `host=${source.address}`];
        await ready(stage.start("source", source, seed));
        await waitForPort(source.address, port);
      }
      return await waitingDownloaders(stage, all);
    },
  };
}

/** Bulk settings with the two sizes of pieces that did best with one and with several sources. */
export const libtorrentFast: readonly Contender[] = [
  libtorrentPeer("4 MiB pieces", { pieceBytes: 4 * mib }),
  libtorrentPeer("1 MiB pieces", { pieceBytes: mib }),
];

/** With deep queues all of a crowd ask the seed for the same pieces: short queues and small pieces spread them. */
export const libtorrentForCrowds = libtorrentPeer("256 KiB pieces, short queues", {
  pieceBytes: 256 * 1024,
  options: ["queue=16", "queue_seconds=1", `watermark=${128 * 1024}`],
});

/** They are up and have loaded everything; a line tells each to begin. */
async function waitingDownloaders(stage: Stage, all: readonly string[]): Promise<StartDownload> {
  const { sources, downloaders } = stage.plan;
  const stays = isCrowd(stage.plan);
  const waiting = downloaders.map((place, at) => {
    const others = [...sources, ...downloaders.slice(0, at)].map(({ address }) => `${address}:${port}`);
    const own = [`folder=${stage.outputFolder(at)}`, `host=${place.address}`, `peers=${others.join(",")}`];
    return stage.start("downloader", place, [...all, ...own, `stay=${stays ? 1 : 0}`], { stdin: "open" });
  });
  await Promise.all(waiting.map(ready));
  return (at) => {
    const process = waiting[at]!;
    process.process.write("go\n");
    return stays ? stage.completed(process) : stage.exited(process);
  };
}

async function ready({ process }: { process: { waitForEvent(kind: string): Promise<unknown> } }) {
  await process.waitForEvent("ready");
}

export const aria2Torrent: Contender = {
  name: "aria2, BitTorrent, 256 KiB pieces",
  verifies: "each piece, SHA-1",
  absent: () => missing(aria2),
  prepare: async (stage) => {
    const { plan } = stage;
    const tracker = stage.own(new Tracker(plan.hub.address));
    const torrent = join(stage.newFolder("torrent"), "payload.torrent");
    writeTorrent(plan.payload, torrent, { pieceBytes: 256 * 1024, tracker: tracker.announceUrl });
    const hook = join(stage.newFolder("hook"), "hook.sh");
    writeFileSync(hook, '#!/bin/sh\n: > "$HOME/complete"\n', { mode: 0o755 });
    const cap = plan.capBytesPerSecond;
    const caps =
      cap === undefined ? [] : [`--max-overall-upload-limit=${cap}`, `--max-overall-download-limit=${cap}`];
    const all = [pathOf(aria2), ...aria2Basics, ...aria2TorrentFlags, ...caps, `--listen-port=${port}`];
    for (const source of plan.sources) {
      const folder = ["--bt-seed-unverified=true", "-d", plan.payload.folder, torrent];
      stage.start("source", source, [...all, ...folder]);
    }
    await waitUntil(() => tracker.seeds === plan.sources.length, "announcement of aria2's seeds");
    return (at) => {
      const home = stage.newFolder(`aria2-home-${at}`);
      const own = [`--on-bt-download-complete=${hook}`, "-d", stage.outputFolder(at), torrent];
      stage.start("downloader", plan.downloaders[at]!, [...all, ...own], { env: { HOME: home } });
      const complete = () => existsSync(join(home, "complete"));
      return waitUntil(complete, "end of aria2's download", plan.timeoutMs);
    };
  },
};

/** No limits of its own, no encryption, and it seeds as long as it is left running. */
const aria2TorrentFlags = [
  "--bt-max-peers=0",
  "--bt-max-open-files=3000",
  "--bt-enable-lpd=false",
  "--bt-require-crypto=false",
  "--bt-min-crypto-level=plain",
  "--bt-request-peer-speed-limit=2000M",
  "--bt-tracker-connect-timeout=5",
  "--seed-ratio=0",
  "--seed-time=600",
];
