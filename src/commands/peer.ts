/**
 * `p2p peer [DIR]`: shares a folder, serves it, and prompts, until EXIT or a signal.
 */
import { join } from "node:path";
import { defaultPeerPort, stateFolder } from "../config.ts";
import { peerConnectionLimits } from "../net/connection-limits.ts";
import * as kinds from "../options/kinds.ts";
import { argument, declare, flag, type OptionsOf, optional, single } from "../options/options.ts";
import { PeerNode } from "../peer-node.ts";
import { runPrompt } from "../prompt/prompt.ts";
import { aborted } from "../shutdown.ts";
import type { CommandContext } from "./context.ts";
import { gating, WatchedGate } from "./gate-options.ts";
import { connectionLimiting, connectionLimitsOf } from "./limit-options.ts";
import { listenHost, networkOf } from "./network.ts";
import { PeerOutput } from "./peer-output.ts";
import { PeerPromptActions } from "./prompt-actions.ts";
import { reachabilityWarnings } from "./reachability.ts";
import {
  advertise,
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
  verb: "peer",
  summary: "Share a folder and find, fetch and serve files",
  arguments: {
    folder: argument({
      name: "DIR",
      default: "./shared",
      description: "Folder to share, created when missing",
    }),
  },
  options: {
    ...asking,
    host: servingHost("Address to listen on"),
    /** Undefined when nobody asked for a port: then a taken `defaultPeerPort` is no error. */
    port: optional(kinds.port, {
      flag: "port",
      defaultText: `${defaultPeerPort}, or any free one when it is taken`,
      description: "Port to listen on; 0 takes any free one",
    }),
    advertise,
    open,
    threads,
    settleSeconds: single(kinds.seconds(), {
      flag: "settle",
      default: 1,
      description: "How long a file must have been still before it is offered",
    }),
    rescanSeconds: single(kinds.seconds(0), {
      flag: "rescan",
      default: 10,
      description: "How often to look through the whole folder when it cannot be watched",
    }),
    wait: flag({
      flag: "wait",
      default: false,
      description: "Keep trying when no index can be reached at start",
    }),
    prompt: flag({ flag: "prompt", default: true, description: "Never read standard input" }),
    ...uploadLimiting,
    ...downloading,
    ...downloadLimiting,
    ...rates,
    ...gating("that may connect, and be fetched from"),
    ...connectionLimiting(peerConnectionLimits),
    ...printing,
  },
});

export type PeerOptions = OptionsOf<typeof declaration>;

export async function run(options: PeerOptions, context: CommandContext): Promise<void> {
  const { folder, port } = options;
  const { output, log, terminal, signal } = context;
  const doors = WatchedGate.open(options, log);
  const network = { ...(await networkOf(options, context)), gate: doors.gate };
  const host = listenHost(options, network);
  const state = stateFolder();
  const upLimit = rateLimit(options.up);
  const starting = PeerNode.start({
    folder,
    cachePath: join(state, "hashes.db"),
    host,
    port: port ?? defaultPeerPort,
    anyPortIfTaken: port === undefined,
    advertise: options.advertise,
    network,
    waitForIndex: options.wait,
    threads: options.threads,
    connectionLimits: connectionLimitsOf(options, peerConnectionLimits, log),
    settleMs: options.settleSeconds * 1000,
    rescanMs: options.rescanSeconds * 1000,
    upLimit,
    uploadLimits: uploadLimitsOf(options),
    listener: new PeerOutput(context),
  });
  // Connecting cannot be cancelled; nobody fetches from a peer that is not there yet, so nothing needs to be stopped.
  const node = await Promise.race([starting, aborted(signal)]);
  if (node === undefined) return;
  const following = followToken(network, log);
  const address = { host, wantedPort: port, port: node.port, network };
  for (const warning of reachabilityWarnings(address)) log.warn(warning);
  try {
    if (options.prompt) {
      const transfer = transferOptions(options, true, network);
      const actions = new PeerPromptActions({ node, folder, host, transfer, upLimit, context });
      const historyPath = join(state, "history");
      const input = process.stdin;
      const left = await runPrompt({ actions, input, terminal, output, log, historyPath, signal });
      if (left === "exit") return;
    }
    await aborted(signal);
  } finally {
    await node.stop();
    following.stop();
    doors.close();
  }
  if (output.failure !== undefined) throw output.failure;
}
