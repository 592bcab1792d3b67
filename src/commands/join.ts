/**
 * `p2p join`: reads the link of a private network, looks whether it leads where it should, and remembers it.
 */
import { formatAddress } from "../address.ts";
import { stateFolder } from "../config.ts";
import { AuthenticationError, UsageError, WouldOverwriteError } from "../errors.ts";
import { IndexClient } from "../net/index-client.ts";
import { declare, flag, type OptionsOf } from "../options/options.ts";
import { unlessAborted } from "../shutdown.ts";
import { parseJoinLink } from "../trust/join-link.ts";
import { knownIndexes, type Network } from "../trust/network.ts";
import { NetworkStore } from "../trust/network-store.ts";
import {
  isSameNetwork,
  merged,
  type NetworkName,
  networkOfLink,
  type StoredNetwork,
} from "../trust/stored-network.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import type { CommandContext } from "./context.ts";
import { membershipOf } from "./network.ts";
import { readSecretLine } from "./secret-line.ts";
import { joinedName, printing } from "./shared-args.ts";

export const declaration = declare({
  verb: "join",
  summary: "Join a private network, with the link that its index prints",
  arguments: {},
  wordRefusal:
    "p2p join takes no link on its command line, where others could read it: run `p2p join` and paste the link, or " +
    "pipe it in; should somebody have seen this one, run `p2p token rotate` on the machine of the index",
  options: {
    network: joinedName("What the network is to be called here"),
    force: flag({
      flag: "force",
      default: false,
      description: "Forget another network that is called so",
    }),
    ...printing,
  },
});

export type JoinOptions = OptionsOf<typeof declaration>;

export async function run({ network: name, force }: JoinOptions, context: CommandContext): Promise<void> {
  const { output, log, terminal, signal } = context;
  const link = parseJoinLink(
    (
      await readSecretLine(
        process.stdin,
        "Paste the link (it is not shown) and press Enter: ",
        terminal,
        signal,
      )
    ).trim(),
  );
  const joined = networkOfLink(link);
  const store = new NetworkStore(stateFolder());
  const membership = await membershipOf(link.token);
  const toJoin = (isProved: boolean) => (known: StoredNetwork | undefined) =>
    afterJoining({ name, known, joined, isProved, force, own: membership.identity.fingerprint });
  // What no index could change is refused before one is asked.
  toJoin(true)(store.read(name));
  const problem = await unlessAborted(problemOf({ indexes: knownIndexes(joined), membership }), signal);
  store.change(name, toJoin(problem === undefined));
  if (problem !== undefined)
    log.warn(`${problem.message}; the network is kept, and its index asked when it is needed`);
  output.event({
    event: "joined",
    network: name,
    indexes: link.addresses.map(formatAddress),
    fingerprint: link.fingerprint,
    reached: problem === undefined,
  });
}

interface Joining {
  readonly name: NetworkName;
  readonly known: StoredNetwork | undefined;
  readonly joined: StoredNetwork;
  /** The index that the link names has proved just now to know its token. */
  readonly isProved: boolean;
  readonly force: boolean;
  /** Of this machine. */
  readonly own: Fingerprint;
}

/**
 * What is remembered then. A fingerprint is no secret: a link that names a known index and another token is believed
 * when that index says the same, and by who says --force. Throws UsageError and WouldOverwriteError.
 */
export function afterJoining({ name, known, joined, isProved, force, own }: Joining): StoredNetwork {
  if (known === undefined) return joined;
  const isNews = !known.token.equals(joined.token);
  const isOwn = (network: StoredNetwork) => network.indexes.some(({ fingerprint }) => fingerprint === own);
  if (isNews && isOwn(known) && isOwn(joined))
    throw new UsageError(
      `the index of network ${name} is this machine, and the link has another token than it has: ` +
        "`p2p token rotate` changes it",
    );
  if (force) return joined;
  if (!isSameNetwork(known, joined))
    throw new WouldOverwriteError(
      `another network is called ${name} here: --network NAME gives this one a name of its own, --force forgets the other`,
    );
  if (isNews && !isProved)
    throw new WouldOverwriteError(
      `the link has another token for network ${name} than this machine has, and its index cannot be reached to say ` +
        "which one is right: try again when it can, or add --force if you know who the link is from",
    );
  return merged(known, joined);
}

/**
 * Why none of the index's addresses could be reached; undefined when one could. Throws the AuthenticationError of who
 * answered there and is not the index, or does not know the token.
 */
async function problemOf({ indexes, membership }: Network): Promise<Error | undefined> {
  const opened = await Promise.allSettled(
    indexes.map((index) => IndexClient.open({ indexes: [index], membership })),
  );
  let problem: Error | undefined;
  for (const each of opened) {
    if (each.status === "fulfilled") each.value.close();
    else if (!(problem instanceof AuthenticationError)) problem = each.reason;
  }
  if (opened.some(({ status }) => status === "fulfilled")) return undefined;
  if (problem instanceof AuthenticationError) throw problem;
  return problem;
}
