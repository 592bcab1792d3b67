/**
 * `p2p join`: reads the link of a private network, looks whether it leads where it should, and remembers it.
 */
import { formatAddress } from "../address.ts";
import { stateFolder } from "../config.ts";
import { AuthenticationError, WouldOverwriteError } from "../errors.ts";
import { IndexClient } from "../net/index-client.ts";
import { declare, flag, type OptionsOf } from "../options/options.ts";
import { unlessAborted } from "../shutdown.ts";
import { parseJoinLink } from "../trust/join-link.ts";
import { knownIndexes, type Network } from "../trust/network.ts";
import { NetworkStore } from "../trust/network-store.ts";
import { isSameNetwork, merged, networkOfLink } from "../trust/stored-network.ts";
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
  const known = force ? undefined : store.read(name);
  if (known !== undefined && !isSameNetwork(known, joined))
    throw new WouldOverwriteError(
      `another network is called ${name} here: --network NAME gives this one a name of its own, --force forgets the other`,
    );
  const membership = await membershipOf(link.token);
  const problem = await unlessAborted(problemOf({ indexes: knownIndexes(joined), membership }), signal);
  store.write(name, known === undefined ? joined : merged(known, joined));
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
