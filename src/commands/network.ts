/** Which network a command takes part in, from its options and from what was joined; and where it listens there. */
import { networkInterfaces } from "node:os";
import { type Address, formatAddress } from "../address.ts";
import { defaultIndexPort, type Environment, loopbackHost, stateFolder } from "../config.ts";
import { UsageError } from "../errors.ts";
import { isLoopback } from "../loopback.ts";
import { parseIpAddress } from "../net/ip-address.ts";
import { isSameAddress } from "../net/same-address.ts";
import { unlessAborted } from "../shutdown.ts";
import { checkedToken, readToken, tokenVariable } from "../trust/given-token.ts";
import { identityIn } from "../trust/identity.ts";
import { Membership } from "../trust/membership.ts";
import { anyIndexAt, type IndexAddress, knownIndexes, type Network, openNetwork } from "../trust/network.ts";
import { NetworkStore } from "../trust/network-store.ts";
import type { Secret } from "../trust/secret.ts";
import { defaultNetworkName, type NetworkName, type StoredNetwork } from "../trust/stored-network.ts";
import type { CommandContext } from "./context.ts";
import { checkOpen } from "./shared-args.ts";

export interface BelongingOptions {
  readonly network: NetworkName | undefined;
  readonly tokenFile: string | undefined;
  readonly open: boolean;
}

export interface NetworkOptions extends BelongingOptions {
  readonly index: readonly Address[] | undefined;
}

/** Where everybody looks for an index who was told of none. */
const localIndex: readonly Address[] = [{ host: loopbackHost, port: defaultIndexPort }];

/** Throws UsageError, and LocalIoError for what cannot be read. */
export async function networkOf(
  options: NetworkOptions,
  context: Pick<CommandContext, "givenToken" | "signal">,
): Promise<Network> {
  const { index } = options;
  const token = await tokenOf(options, context);
  if (token !== undefined) return await privateNetwork(token, anyIndexAt(index ?? localIndex));
  const store = new NetworkStore(stateFolder());
  const name = options.open ? undefined : knownNetwork(options, store);
  if (name === undefined) return openNetwork(index ?? localIndex);
  const known = joinedNetwork(store, name);
  const indexes = index?.map((address) => expectedAt(address, known)) ?? knownIndexes(known);
  return { ...(await privateNetwork(known.token, indexes)), name };
}

/**
 * The token that a machine was given, if any. Also refuses options that contradict each other. Rejects with UsageError,
 * and with the signal's reason: a descriptor may say nothing for long.
 */
export async function tokenOf(
  { network, tokenFile, open }: BelongingOptions,
  { givenToken, signal }: Pick<CommandContext, "givenToken" | "signal">,
): Promise<Secret | undefined> {
  const said = [
    ...(tokenFile === undefined ? [] : ["--token-file"]),
    ...(givenToken === undefined ? [] : [tokenVariable]),
    ...(network === undefined ? [] : ["--network"]),
    ...(open ? ["--open"] : []),
  ];
  if (said.length > 1)
    throw new UsageError(`${said[0]} and ${said[1]} each say which network is meant: leave one of them out`);
  if (tokenFile !== undefined) return await unlessAborted(readToken(tokenFile), signal);
  return givenToken && checkedToken(givenToken);
}

/**
 * In this order: the one that is named, the one of the index that is named, the default one. Undefined: an open one,
 * which nobody gets by an address alone that leads off this machine.
 */
function knownNetwork({ index, network }: NetworkOptions, store: NetworkStore): NetworkName | undefined {
  if (network !== undefined) return network;
  const isUsualThere = () => store.read(defaultNetworkName) !== undefined;
  if (index === undefined) return isUsualThere() ? defaultNetworkName : undefined;
  const named = index
    .map((address) => store.withIndex((each) => isSameAddress(each, address)))
    .find((found) => found !== undefined);
  const foreign = index.find(({ host }) => !isLoopback(host));
  if (named !== undefined || foreign === undefined) return named;
  if (isUsualThere()) return defaultNetworkName;
  const names = store.names();
  const which = names.length === 0 ? "" : `, say --network NAME if it is of one (${names.join(", ")})`;
  throw new UsageError(
    `index ${formatAddress(foreign)} is of no network that was joined here: run \`p2p join\` with its link${which}, ` +
      "or add --open if it is open to all, without encryption",
  );
}

/** Throws a UsageError when it was not joined. */
export function joinedNetwork(store: NetworkStore, name: NetworkName): StoredNetwork {
  const found = store.read(name);
  if (found !== undefined) return found;
  const names = store.names();
  const hint = names.length === 0 ? "none was joined" : `known here: ${names.join(", ")}`;
  throw new UsageError(`there is no network ${name} here (${hint}): \`p2p join\` joins one, with its link`);
}

/** At an address that the link did not name may be any of its indexes, and nobody else. */
function expectedAt(address: Address, { indexes }: StoredNetwork): IndexAddress {
  const there = indexes.filter((index) => isSameAddress(index, address));
  const possible = there.length === 0 ? indexes : there;
  return { ...address, fingerprints: [...new Set(possible.map((index) => index.fingerprint))] };
}

async function privateNetwork(token: Secret, indexes: readonly IndexAddress[]): Promise<Network> {
  return { indexes, membership: await membershipOf(token) };
}

/** Of this machine, in the network with that token. */
export async function membershipOf(token: Secret): Promise<Membership> {
  refuseUncheckedTls(process.env);
  return new Membership(await identityIn(stateFolder()), token);
}

/** It changes what TLS libraries take for right, and nobody who sets it means this program. */
function refuseUncheckedTls(environment: Environment): void {
  const variable = "NODE_TLS_REJECT_UNAUTHORIZED";
  if (environment[variable] === undefined) return;
  throw new UsageError(`${variable} is set, which a private network does not allow: unset it`);
}

/**
 * Where to listen. Who takes part in a private network of several machines has to be reached by them; everybody else
 * stays on this machine unless told otherwise. Throws a UsageError when that would let anybody in.
 */
export function listenHost(
  { host, open }: { host: string | undefined; open: boolean },
  { indexes, membership }: Network,
  hasIpv6: boolean = systemHasIpv6(),
): string {
  if (host !== undefined) checkOpen(host, open || membership !== undefined);
  return (
    host ?? (membership === undefined || isLocal({ indexes }) ? loopbackHost : everyAddress(indexes, hasIpv6))
  );
}

/** All of its indexes are on this machine, and reached by names that mean nothing elsewhere. */
export function isLocal({ indexes }: Pick<Network, "indexes">): boolean {
  return indexes.every((index) => isLoopback(index.host));
}

/**
 * The others come as they reach the index: by IPv6 unless it is known that nobody does. `::` takes IPv4 as well, and
 * where the system has no IPv6 it cannot be listened on.
 */
function everyAddress(indexes: readonly Address[], hasIpv6: boolean): string {
  const isIpv4 = ({ host }: Address) => parseIpAddress(host)?.bits === 32;
  return hasIpv6 && !indexes.every(isIpv4) ? "::" : "0.0.0.0";
}

function systemHasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ family }) => family === "IPv6"),
  );
}
