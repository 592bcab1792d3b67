/**
 * `p2p stats`: numbers of the index.
 */
import type { IndexClient } from "../net/index-client.ts";
import { declare, type OptionsOf } from "../options/options.ts";
import { withIndex } from "./ask-index.ts";
import type { CommandContext } from "./context.ts";
import { networkOf } from "./network.ts";
import { asking, printing } from "./shared-args.ts";

export const declaration = declare({
  verb: "stats",
  summary: "Show how much the index has and does",
  arguments: {},
  options: { ...asking, ...printing },
});

export type StatsOptions = OptionsOf<typeof declaration>;

export async function run(options: StatsOptions, context: CommandContext): Promise<void> {
  await withIndex(await networkOf(options, context), context.signal, (client) => showStats(client, context));
}

/** Also for the prompt. */
export async function showStats(
  client: IndexClient,
  { output }: Pick<CommandContext, "output">,
): Promise<void> {
  const { type: _, id: __, timeMs: ___, ...numbers } = await client.stats();
  output.event({ event: "stats", index: client.label, ...numbers });
}
