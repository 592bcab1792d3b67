/**
 * `p2p query NAME`: finds a file and fetches it from everybody who has it.
 */
import { chunkCountOf } from "../content/chunks.ts";
import { UsageError } from "../errors.ts";
import { isLoopback } from "../loopback.ts";
import * as kinds from "../options/kinds.ts";
import { argument, declare, flag, type OptionsOf, optional, single } from "../options/options.ts";
import type { PlanEvent } from "../output/events.ts";
import { Output } from "../output/output.ts";
import { printable } from "../printable.ts";
import { QueryNode } from "../query-node.ts";
import { unlessAborted } from "../shutdown.ts";
import type { Meant } from "../transfer/choose-content.ts";
import {
  contentsMeant,
  type FetchPlan,
  fetchByName,
  isPossibleName,
  type TransferOptions,
} from "../transfer/fetch.ts";
import { meansMany } from "../transfer/fetch-folder.ts";
import { ReaderGone } from "../transfer/stream-output.ts";
import { targetOfQuery } from "../transfer/target.ts";
import { chunkBytes, maxContentBytes, maxNameBytes } from "../wire/limits.ts";
import type { CommandContext } from "./context.ts";
import { FetchOutput } from "./fetch-output.ts";
import { gating, WatchedGate } from "./gate-options.ts";
import { isLocal, listenHost, networkOf } from "./network.ts";
import { fetchFolderAndServe, listFolder } from "./query-folder.ts";
import { waitUntilThere } from "./query-wait.ts";
import { serveOn } from "./serve-on.ts";
import {
  asking,
  downloading,
  open,
  printing,
  rateLimit,
  rates,
  servingHost,
  threads,
  transferOptions,
} from "./shared-args.ts";
import { followToken } from "./token-follow.ts";
import { downloadLimiting, uploadLimiting, uploadLimitsOf } from "./transfer-limit-options.ts";

export const declaration = declare({
  verb: "query",
  summary: "Fetch a file by name, or a whole folder",
  arguments: {
    name: argument({
      name: "NAME",
      description:
        "Last part of the file's name, or with a / the whole name; DIR/ is all below it, * ? ** all that fit",
    }),
  },
  options: {
    ...asking,
    outputPath: optional(kinds.text("PATH"), {
      flag: "output",
      short: "o",
      defaultText: "./ and the last part of NAME, or the whole names of many",
      description:
        "File to write, or a folder when it exists or ends in / or NAME stands for many; - writes to standard output",
    }),
    /** Lower case. */
    rootPrefix: optional(kinds.rootPrefix, {
      flag: "root",
      defaultText: "any",
      description: "Which content is meant, by at least 4 hex digits of its root",
    }),
    sizeBytes: optional(kinds.bytes({ min: 0, max: maxContentBytes, multipleOf: 1 }), {
      flag: "size",
      defaultText: "any",
      description: "Which content is meant, by its size",
    }),
    force: flag({ flag: "force", default: false, description: "Replace a different file that is there" }),
    explain: flag({
      flag: "explain",
      default: false,
      description: "Show what is going to be done before anything is fetched",
    }),
    list: flag({ flag: "list", default: false, description: "Show who has it and fetch nothing" }),
    spaceCheck: flag({
      flag: "space-check",
      default: true,
      description: "Begin even when the disk seems to have too little room",
    }),
    waitSeconds: single(kinds.patience, {
      flag: "wait",
      default: 0,
      description: "How long to wait until somebody has it, and for the index if need be",
    }),
    threads,
    host: servingHost("Address to serve on while it runs, for others who fetch the same file"),
    open,
    serve: flag({
      flag: "serve",
      default: true,
      description: "Never let others have what is there of the file while the rest is being fetched",
    }),
    serveForSeconds: single(kinds.duration, {
      flag: "serve-for",
      default: 0,
      description: "How long to go on serving the file once it is complete",
    }),
    ...uploadLimiting,
    ...gating("that may be fetched from, and connect"),
    ...downloading,
    ...downloadLimiting,
    ...rates,
    ...printing,
  },
});

export type QueryOptions = OptionsOf<typeof declaration>;

export async function run(options: QueryOptions, context: CommandContext): Promise<void> {
  const { name, rootPrefix, sizeBytes, outputPath, serveForSeconds } = options;
  const { log, signal } = context;
  const isStreamed = outputPath === "-";
  if (isStreamed && options.json)
    throw new UsageError("--json and -o - both want standard output: leave one of them out");
  if (isStreamed && serveForSeconds > 0)
    throw new UsageError("--serve-for needs a file to serve: name one with -o");
  const doors = WatchedGate.open(options, log);
  const network = { ...(await networkOf(options, context)), gate: doors.gate };
  const host = listenHost(options, network);
  // Others must be able to come: a loopback address is of use only to those on the index's own machine.
  const canBeReached = !isLoopback(host) || isLocal(network);
  if (serveForSeconds > 0 && !canBeReached)
    throw new UsageError(
      "--serve-for: others cannot reach 127.0.0.1 of this machine; say --host ADDRESS, and --open if the network is",
    );
  const node = await QueryNode.start(
    {
      network,
      waitForIndex: options.waitSeconds > 0,
      host,
      threads: options.threads,
      uploadLimits: uploadLimitsOf(options),
      upLimit: rateLimit(options.up),
      onNotice: (line) => log.warn(line),
    },
    signal,
  );
  const following = followToken(network, log);
  const shown = isStreamed ? beside(context) : context;
  try {
    const meant = { rootPrefix, sizeBytes };
    if (options.waitSeconds > 0)
      await waitUntilThere(node, { name, meant, seconds: options.waitSeconds }, context);
    const isFolder = await meansMany(name, () => node.index, signal);
    if (isFolder && isStreamed)
      throw new UsageError("-o - takes one file: name a folder for the many that NAME stands for");
    if (options.list) await (isFolder ? listFolder : list)(node, name, meant, context);
    else
      await (isFolder ? fetchFolderAndServe : fetchAndServe)({
        node,
        meant,
        transfer: transferOptions(options, options.spaceCheck, network),
        serves: options.serve && canBeReached,
        options,
        context: shown,
      });
  } finally {
    await node.stop();
    following.stop();
    doors.close();
    // All of it is known only now.
    if (node.servedBytes > 0 || serveForSeconds > 0)
      shown.output.event({ event: "served", bytes: node.servedBytes });
  }
}

/** What is going to be fetched, and how. */
export interface Fetching {
  node: QueryNode;
  meant: Meant;
  transfer: TransferOptions;
  /** Others get what is there while the rest is being fetched. */
  serves: boolean;
  options: QueryOptions;
  context: CommandContext;
}

async function fetchAndServe({ node, meant, transfer, serves, options, context }: Fetching): Promise<void> {
  const { name, outputPath, force, serveForSeconds } = options;
  const { signal } = context;
  const said = new FetchOutput(
    name,
    context,
    options.explain ? (plan) => planEvent(plan, transfer, serves) : undefined,
  );
  try {
    const fetched = await fetchByName(
      {
        name,
        meant,
        target: () => (outputPath === "-" ? "stdout" : targetOfQuery(name, outputPath)),
        force,
        transfer,
        share: serves ? (content, offer) => node.share(name, content, offer) : undefined,
        index: () => node.index,
        signal,
      },
      said,
    );
    said.close();
    said.complete(fetched);
    if (serveForSeconds > 0) {
      const { content, path, report } = fetched;
      const { sizeBytes, md5, root } = content;
      const file = { name, path, sizeBytes, md5, root, chunkHashes: report.chunkHashes };
      await serveOn(node, [file], serveForSeconds, context);
    }
  } catch (error) {
    // `p2p query film.mkv -o - | head -c 1000`: whoever reads has enough.
    if (!(error instanceof ReaderGone)) throw error;
  } finally {
    said.close();
  }
}

function planEvent(
  { content, path, partialBytes }: FetchPlan,
  transfer: TransferOptions,
  serves: boolean,
): PlanEvent {
  const { sizeBytes, sources, total } = content;
  return {
    event: "plan",
    path,
    size: sizeBytes,
    chunks: chunkCountOf(sizeBytes),
    sources: sources.map(({ host, port, partial }) => ({ host, port, partial })),
    totalSources: total,
    connections: transfer.connections,
    threads: transfer.threads,
    requestBytes: transfer.requestBytes,
    partialBytes,
    downBytesPerSecond: transfer.limit.bytesPerSecond || null,
    // What is of one chunk is there at once or not at all.
    serves: serves && sizeBytes > chunkBytes,
  };
}

/** Standard output is the file's: what is said goes to standard error. */
function beside(context: CommandContext): CommandContext {
  return { ...context, output: new Output({ stream: process.stderr, terminal: context.terminal }) };
}

async function list(
  node: QueryNode,
  name: string,
  meant: Meant,
  { output, signal }: CommandContext,
): Promise<void> {
  const found = isPossibleName(name) ? await unlessAborted(node.index.query(name), signal) : [];
  for (const { sizeBytes, md5, root, names, total, sources } of contentsMeant(name, found, meant)) {
    output.event({ event: "found", name, size: sizeBytes, md5, root, sources: total });
    const shown = names.map((one) => `name ${printable(one, maxNameBytes)}`);
    output.text([`root ${root}`, `md5  ${md5}`, ...shown]);
    for (const { host, port, fingerprint } of sources)
      output.event({ event: "source", host, port, fingerprint, root });
  }
}
