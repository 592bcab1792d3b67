/** How fast a folder becomes findable, cold: from the start of the peer until all of it is registered. */
import { Sandbox } from "../test/helpers/sandbox.ts";
import {
  type BenchOptions,
  makeFolder,
  median,
  memoryFolder,
  mib,
  quiet,
  type Row,
  requireProgram,
  runProgram,
  spread,
} from "./measure.ts";

const fileCount = 64;
const fileMib = 32;
const totalGib = (fileCount * fileMib) / 1024;

export async function benchHashing(options: BenchOptions): Promise<Row[]> {
  const md5sum = requireProgram("md5sum", "coreutils");
  await using box = new Sandbox({ parent: memoryFolder });
  const shared = box.newFolder("shared");
  const files = makeFolder(shared, fileCount, fileMib * mib);
  const index = await box.index();

  const md5sumRates: number[] = [];
  const p2pRates: number[] = [];
  for (let run = 0; run < options.runs; run++) {
    await quiet();
    md5sumRates.push(totalGib / (await runProgram([md5sum, ...files])).seconds);
    await quiet();
    // Each peer has a home of its own and so no cached hash.
    const startedMs = performance.now();
    const peer = await box.peer(index, shared, [], { timeoutMs: 120_000 });
    p2pRates.push(totalGib / ((performance.now() - startedMs) / 1000));
    await peer.process.end();
  }
  const ratios = p2pRates.map((rate, at) => rate / (md5sumRates[at] ?? Number.NaN));
  const what = `${fileCount} files of ${fileMib} MiB`;
  return [
    {
      figure: `${what}: one md5sum`,
      target: "",
      measured: spread(md5sumRates, 2, " GiB/s"),
      ratio: "",
      met: undefined,
    },
    {
      figure: `${what}: \`p2p peer\` until registered (root and MD5)`,
      target: "at least 1.5 of md5sum",
      measured: spread(p2pRates, 2, " GiB/s"),
      ratio: spread(ratios, 2),
      met: median(ratios) >= 1.5,
    },
  ];
}
