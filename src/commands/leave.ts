/**
 * `p2p leave`: forgets a private network.
 */
import { stateFolder } from "../config.ts";
import { P2pError, UsageError } from "../errors.ts";
import { declare, flag, type OptionsOf } from "../options/options.ts";
import { identityIn } from "../trust/identity.ts";
import { NetworkStore } from "../trust/network-store.ts";
import type { NetworkName, StoredNetwork } from "../trust/stored-network.ts";
import type { CommandContext } from "./context.ts";
import { joinedNetwork } from "./network.ts";
import { joinedName, printing } from "./shared-args.ts";

export const declaration = declare({
  verb: "leave",
  summary: "Forget a private network",
  arguments: {},
  options: {
    network: joinedName("Which network"),
    force: flag({
      flag: "force",
      default: false,
      description: "Even when its index runs on this machine: nobody can join it any more then",
    }),
    ...printing,
  },
});

export type LeaveOptions = OptionsOf<typeof declaration>;

export async function run({ network, force }: LeaveOptions, { output }: CommandContext): Promise<void> {
  const folder = stateFolder();
  const store = new NetworkStore(folder);
  if (!force && (await isOurs(folder, readable(store, network))))
    throw new UsageError(
      `the index of network ${network} is this machine, and its token would be lost to all: add --force if that is meant`,
    );
  if (!store.remove(network)) joinedNetwork(store, network);
  output.event({ event: "left", network });
}

/** One that cannot be read can be forgotten all the same. */
function readable(store: NetworkStore, name: NetworkName): StoredNetwork | undefined {
  try {
    return store.read(name);
  } catch (error) {
    if (error instanceof P2pError) return undefined;
    throw error;
  }
}

async function isOurs(folder: string, known: StoredNetwork | undefined): Promise<boolean> {
  if (known === undefined) return false;
  const { fingerprint } = await identityIn(folder);
  return known.indexes.some((index) => index.fingerprint === fingerprint);
}
