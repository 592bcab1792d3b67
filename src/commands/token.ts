/**
 * `p2p token show|rotate|new`: the token of a private network, and the link that has it in it.
 */
import { formatAddress } from "../address.ts";
import { monotonicMs } from "../clock.ts";
import { stateFolder } from "../config.ts";
import { AuthenticationError, IndexError, UsageError } from "../errors.ts";
import { IndexClient } from "../net/index-client.ts";
import { nearest } from "../options/nearest.ts";
import { argument, declare, type OptionsOf } from "../options/options.ts";
import { unlessAborted } from "../shutdown.ts";
import { identityIn } from "../trust/identity.ts";
import { knownIndexes, type Network } from "../trust/network.ts";
import { NetworkStore } from "../trust/network-store.ts";
import type { NetworkName, StoredNetwork } from "../trust/stored-network.ts";
import { newToken } from "../trust/token.ts";
import type { CommandContext } from "./context.ts";
import { showLinks } from "./link-output.ts";
import { joinedNetwork, membershipOf } from "./network.ts";
import { joinedName, printing } from "./shared-args.ts";

export const declaration = declare({
  verb: "token",
  summary: "Show the link of a private network, or change its token: show, rotate, new",
  arguments: {
    action: argument({
      name: "ACTION",
      description:
        "show: the link to join with; rotate: a new token, on the machine of the index: who has the old one has to " +
        "join again; new: a token of no network that nobody guesses, for P2P_TOKEN and --token-file",
    }),
  },
  wordRefusal: "p2p token takes one word: show, rotate or new",
  options: { network: joinedName("Which network"), ...printing },
});

export type TokenOptions = OptionsOf<typeof declaration>;

/** An index looks twice a second. */
const takenWithinMs = 2_500;
const lookEveryMs = 250;
const lookTimeoutMs = 500;

const actions = { show, rotate, new: makeNew } satisfies Record<
  string,
  (name: NetworkName, context: CommandContext) => void | Promise<void>
>;

export async function run({ action, network }: TokenOptions, context: CommandContext): Promise<void> {
  if (!Object.hasOwn(actions, action)) {
    const found = nearest(action, Object.keys(actions));
    // It may be a token, and is not repeated.
    throw new UsageError(
      `unknown action of p2p token (${found === undefined ? "show, rotate or new" : `did you mean ${found}?`})`,
    );
  }
  await actions[action as keyof typeof actions](network, context);
}

function show(name: NetworkName, { output }: CommandContext): void {
  showLinks(name, joinedNetwork(new NetworkStore(stateFolder()), name), output);
}

async function rotate(name: NetworkName, { output, log, signal }: CommandContext): Promise<void> {
  const folder = stateFolder();
  const store = new NetworkStore(folder);
  const known = joinedNetwork(store, name);
  const { fingerprint } = await identityIn(folder);
  const own = known.indexes.filter((index) => index.fingerprint === fingerprint);
  const elsewhere = known.indexes.find((index) => index.fingerprint !== fingerprint);
  if (own.length === 0)
    throw new UsageError(
      `the token of network ${name} is changed on the machine of its index` +
        (elsewhere === undefined ? "" : `, ${formatAddress(elsewhere)}`),
    );
  const token = newToken();
  const membership = await membershipOf(token);
  const rotated: StoredNetwork = store.change(name, (there = known) => ({ ...there, token }));
  showLinks(name, { ...rotated, indexes: own }, output);
  const taken = await unlessAborted(isTaken({ indexes: knownIndexes({ indexes: own }), membership }), signal);
  if (taken === false)
    log.warn(
      "the running index lets in by the old token still: start it again, or see what it says about that",
    );
  log.info(
    `${taken ? "the running index has taken it" : "an index takes it within a second"}, and so does what else runs here; ` +
      "on each other machine run `p2p join` with this link, and start again what was given its token with P2P_TOKEN " +
      "or --token-file",
  );
}

/** Whether the index of this machine has the new token; undefined when none was reached. */
async function isTaken(network: Network): Promise<boolean | undefined> {
  const endMs = monotonicMs() + takenWithinMs;
  for (;;) {
    try {
      (await IndexClient.open(network, lookTimeoutMs)).close();
      return true;
    } catch (error) {
      if (!(error instanceof IndexError) && !(error instanceof AuthenticationError)) throw error;
      if (!(error instanceof AuthenticationError)) return undefined;
      if (monotonicMs() > endMs) return false;
    }
    await Bun.sleep(lookEveryMs);
  }
}

function makeNew(_: NetworkName, { output }: CommandContext): void {
  output.event({ event: "token", token: newToken().reveal() });
}
