/**
 * One large file from one source, memory to memory on loopback, against curl from nginx to a file. Both in turn, so
 * that a slow minute of the machine is slow for both. curl verifies nothing; p2p verifies every chunk.
 */
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Sandbox } from "../test/helpers/sandbox.ts";
import {
  Ballast,
  type BenchOptions,
  cpuSeconds,
  type Finished,
  gib,
  makeFile,
  median,
  memoryFolder,
  quiet,
  type Row,
  requireProgram,
  runProgram,
  spread,
} from "./measure.ts";

interface Transfer extends Finished {
  serverCpuSeconds: number;
}

export async function benchTransfer(options: BenchOptions): Promise<Row[]> {
  const nginx = requireProgram("nginx", "nginx-light");
  const curl = requireProgram("curl", "curl");
  const bytes = options.transferGib * gib;
  await using box = new Sandbox({ parent: memoryFolder });
  const shared = box.newFolder("shared");
  makeFile(join(shared, "large.bin"), bytes);
  const index = await box.index();
  const peer = await box.peer(index, shared, [], { timeoutMs: 120_000 });
  await using web = await startNginx(nginx, box.newFolder("nginx"), shared);
  const out = box.newFolder("out");

  const run = async (download: () => Promise<Finished>, serverPid: number): Promise<Transfer> => {
    await quiet();
    using _ballast = new Ballast(out, bytes);
    const before = cpuSeconds(serverPid);
    const finished = await download();
    const result = { ...finished, serverCpuSeconds: cpuSeconds(serverPid) - before };
    const { size } = statSync(join(out, "large.bin"));
    if (size !== bytes) throw new Error(`the download has ${size} bytes instead of ${bytes}`);
    box.remove(join(out, "large.bin"));
    return result;
  };
  const byCurl = () =>
    runProgram([curl, "-sS", "-o", join(out, "large.bin"), `http://127.0.0.1:${web.port}/large.bin`]);
  const byP2p = async (): Promise<Finished> => {
    const startedMs = performance.now();
    const query = box.start(["query", "large.bin", "--index", index.address, "--quiet", "-o", out]);
    const code = await query.exit(120_000);
    const seconds = (performance.now() - startedMs) / 1000;
    if (code !== 0) throw new Error(query.said());
    return { seconds, cpuSeconds: query.cpuSeconds };
  };

  const curlRuns: Transfer[] = [];
  const p2pRuns: Transfer[] = [];
  for (let each = 0; each < options.runs; each++) {
    curlRuns.push(await run(byCurl, web.pid));
    p2pRuns.push(await run(byP2p, peer.process.pid));
  }
  return rows(options.transferGib, curlRuns, p2pRuns);
}

function rows(sizeGib: number, curlRuns: readonly Transfer[], p2pRuns: readonly Transfer[]): Row[] {
  const rate = (runs: readonly Transfer[]) => runs.map(({ seconds }) => sizeGib / seconds);
  const ratios = rate(p2pRuns).map((value, at) => value / (rate(curlRuns)[at] ?? Number.NaN));
  const cpu = (runs: readonly Transfer[]) => {
    const down = median(runs.map((each) => each.cpuSeconds / sizeGib));
    const serve = median(runs.map((each) => each.serverCpuSeconds / sizeGib));
    return `${down.toFixed(2)} + ${serve.toFixed(2)} s`;
  };
  const what = `${sizeGib} GiB, one source`;
  const none = { target: "", ratio: "", met: undefined };
  return [
    { ...none, figure: `${what}: curl from nginx to a file`, measured: spread(rate(curlRuns), 2, " GiB/s") },
    {
      figure: `${what}: \`p2p query\`, verified`,
      target: "at least 0.5 of curl",
      measured: spread(rate(p2pRuns), 2, " GiB/s"),
      ratio: spread(ratios, 2),
      met: median(ratios) >= 0.5,
    },
    { ...none, figure: "CPU per GiB, curl + nginx", measured: cpu(curlRuns) },
    { ...none, figure: "CPU per GiB, `p2p query` + `p2p peer`", measured: cpu(p2pRuns) },
  ];
}

interface Web extends AsyncDisposable {
  pid: number;
  port: number;
}

/** One process, one worker, no log: nginx at its best for one large file. */
async function startNginx(binary: string, folder: string, root: string): Promise<Web> {
  const port = freePort();
  const config = join(folder, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder};`,
  );
  writeFileSync(
    config,
    `daemon off; master_process off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
${process.getuid?.() === 0 ? "user root;" : ""}
events { worker_connections 64; }
http { access_log off; sendfile on; tcp_nopush on; ${temporary.join(" ")}
  server { listen 127.0.0.1:${port}; root ${root}; } }
`,
  );
  const child = Bun.spawn([binary, "-c", config, "-p", folder, "-e", join(folder, "error.log")], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
  });
  const stop = async () => {
    child.kill("SIGTERM");
    await child.exited;
  };
  for (let attempt = 0; attempt < 100; attempt++) {
    if (await answers(port)) return { pid: child.pid, port, [Symbol.asyncDispose]: stop };
    await Bun.sleep(50);
  }
  await stop();
  throw new Error("nginx did not start");
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/large.bin`, { method: "HEAD" })).ok;
  } catch {
    return false;
  }
}

function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}
