/** curl and aria2 from nginx: the ways to fetch over HTTP, verified and not. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mib } from "../measure.ts";
import { aria2, curl, isInstalled, nginx, type Program, pathOf } from "./programs.ts";
import { type Contender, type Stage, waitForPort } from "./stage.ts";
import { sha256OfPieces } from "./torrent-file.ts";

const port = 8000;

export const curlFromNginx: Contender = {
  name: "curl from nginx",
  verifies: "nothing",
  absent: () => missing(curl, nginx),
  prepare: async (stage) => {
    await startNginx(stage);
    const { files } = stage.plan.payload;
    const argvOf = files === undefined ? curlFile : curlFolder;
    const argvs = [...stage.plan.downloaders.keys()].map((at) => argvOf(stage, at));
    return oneShots(stage, argvs);
  },
};

function curlFile(stage: Stage, at: number): string[] {
  return [pathOf(curl), "-sS", "-o", stage.outputPath(at), sourceUrls(stage)[0]!];
}

/** 16 at once: the fastest of what was tried. */
function curlFolder(stage: Stage, at: number): string[] {
  mkdirSync(stage.outputPath(at));
  const list = join(stage.newFolder(`curl-${at}`), "list");
  const [url] = sourceUrls(stage);
  const entries = stage.plan.payload.files!.map(
    (file) => `url="${url}/${file}"\noutput="${join(stage.outputPath(at), file)}"\n`,
  );
  writeFileSync(list, entries.join(""));
  return [pathOf(curl), "-sS", "--parallel", "--parallel-max", "16", "--config", list];
}

export const aria2FromNginx: Contender = {
  name: "aria2 from nginx",
  verifies: "nothing",
  absent: () => missing(aria2, nginx),
  prepare: async (stage) => {
    await startNginx(stage);
    const { files } = stage.plan.payload;
    const what = (at: number) =>
      files === undefined ? sourceUrls(stage) : ["-i", aria2List(stage, at), "-j32"];
    return oneShots(stage, aria2Argvs(stage, what));
  },
};

/** A Metalink holds the SHA-256 of every MiB; aria2 checks each as it arrives. */
export const aria2FromMetalink: Contender = {
  name: "aria2 with a Metalink",
  verifies: "each MiB, SHA-256",
  absent: () => missing(aria2, nginx),
  prepare: async (stage) => {
    await startNginx(stage);
    const path = join(stage.plan.cacheFolder, "payload.meta4");
    if (!existsSync(path)) writeFileSync(path, metalink(stage));
    return oneShots(
      stage,
      aria2Argvs(stage, () => ["-M", path]),
    );
  },
};

/** What every use of aria2 has in common: silent, nothing from outside, no preallocation on a tmpfs. */
export const aria2Basics = [
  "--no-conf",
  "--no-netrc",
  "--console-log-level=error",
  "--summary-interval=0",
  "--download-result=hide",
  "--show-console-readout=false",
  "--allow-overwrite=true",
  "--auto-file-renaming=false",
  "--enable-dht=false",
  "--disable-ipv6=true",
  "--file-allocation=none",
];

/** Four connections to each source: more of them gained nothing. */
function aria2Argvs(stage: Stage, what: (at: number) => string[]): string[][] {
  const { sources, downloaders } = stage.plan;
  return [...downloaders.keys()].map((at) => [
    pathOf(aria2),
    ...aria2Basics,
    "-x4",
    `-s${4 * sources.length}`,
    "-k1M",
    "-d",
    stage.outputFolder(at),
    ...what(at),
  ]);
}

function aria2List(stage: Stage, at: number): string {
  const list = join(stage.newFolder(`aria2-${at}`), "list");
  const entries = stage.plan.payload.files!.map(
    (file) => `${sourceUrls(stage, file).join("\t")}\n dir=${stage.outputPath(at)}\n`,
  );
  writeFileSync(list, entries.join(""));
  return list;
}

function metalink(stage: Stage): string {
  const { payload } = stage.plan;
  const hashes = sha256OfPieces(payload, mib).map((hash) => `<hash>${hash}</hash>`);
  const urls = sourceUrls(stage).map((url) => `<url>${url}</url>`);
  return `<?xml version="1.0"?><metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="${payload.name}">
<size>${payload.bytes}</size><pieces length="${mib}" type="sha-256">${hashes.join("")}</pieces>${urls.join("")}
</file></metalink>`;
}

function sourceUrls(stage: Stage, file?: string): string[] {
  const path = [stage.plan.payload.name, ...(file === undefined ? [] : [file])].join("/");
  return stage.plan.sources.map(({ address }) => `http://${address}:${port}/${path}`);
}

/** Programs that end when they are done, `argvs[at]` for each downloader. */
export function oneShots(stage: Stage, argvs: readonly string[][]) {
  return (at: number) => stage.exited(stage.start("downloader", stage.plan.downloaders[at]!, argvs[at]!));
}

/** One process with one worker and no log at each source: nginx at its best for few connections. */
async function startNginx(stage: Stage): Promise<void> {
  for (const [at, source] of stage.plan.sources.entries()) {
    const folder = stage.newFolder(`nginx-${at}`);
    const config = join(folder, "nginx.conf");
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (name) => `${name}_temp_path ${folder};`,
    );
    writeFileSync(
      config,
      `daemon off; master_process off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
user root;
events { worker_connections 4096; }
http { access_log off; sendfile on; sendfile_max_chunk 2m; tcp_nopush on; keepalive_requests 1000000;
  open_file_cache max=10000; ${temporary.join(" ")}
  server { listen ${source.address}:${port}; root ${stage.plan.payload.folder}; } }
`,
    );
    const log = join(folder, "error.log");
    const started = stage.start("source", source, [pathOf(nginx), "-c", config, "-p", folder, "-e", log]);
    await waitForPort(source.address, port).catch((error: unknown) => {
      throw new Error(
        `${String(error)}\n${started.process.said()}${existsSync(log) ? readFileSync(log, "utf8") : ""}`,
      );
    });
  }
}

export function missing(...programs: Program[]): string | undefined {
  const absent = programs.find((each) => !isInstalled(each));
  return absent === undefined ? undefined : `not installed (${absent.debianPackage})`;
}
