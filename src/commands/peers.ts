/**
 * `p2p peers`: who is registered at the index.
 */
import type { IndexClient } from "../net/index-client.ts";
import { declare, type OptionsOf } from "../options/options.ts";
import { withIndex } from "./ask-index.ts";
import type { CommandContext } from "./context.ts";
import { WatchedGate } from "./gate-options.ts";
import { networkOf } from "./network.ts";
import { asking, printing } from "./shared-args.ts";

export const declaration = declare({
  verb: "peers",
  summary: "List the peers that are registered at the index",
  arguments: {},
  options: { ...asking, ...printing },
});

export type PeersOptions = OptionsOf<typeof declaration>;

export async function run(options: PeersOptions, context: CommandContext): Promise<void> {
  const doors = WatchedGate.open({}, context.log);
  const network = { ...(await networkOf(options, context)), gate: doors.gate };
  await withIndex(network, context.signal, (client) => listPeers(client, context));
  doors.close();
}

/** Also for the prompt. That there is none is no failure. */
export async function listPeers(
  client: IndexClient,
  { output, log, signal }: Pick<CommandContext, "output" | "log" | "signal">,
): Promise<void> {
  let hasAny = false;
  for (let after: string | undefined = ""; after !== undefined && !signal.aborted && output.isRead; ) {
    const { peers, next }: Awaited<ReturnType<IndexClient["peers"]>> = await client.peers(after);
    for (const peer of peers) output.event({ event: "peer", ...peer });
    hasAny ||= peers.length > 0;
    after = next;
  }
  if (!hasAny) log.info(`no peer is registered at index ${client.label}`);
}
