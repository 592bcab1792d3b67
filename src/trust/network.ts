/** The network that a command takes part in: where its indexes are, and what it takes to be let in. */
import type { Address } from "../address.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import type { Gate } from "./gate.ts";
import type { Membership } from "./membership.ts";
import type { NetworkName, StoredNetwork } from "./stored-network.ts";

export interface IndexAddress extends Address {
  /** One of these has to answer there; undefined: any index of the network, as nothing but its token is known. */
  readonly fingerprints: readonly Fingerprint[] | undefined;
}

export interface Network {
  /** To be tried in this order. */
  readonly indexes: readonly IndexAddress[];
  /** Undefined: a network that is open to everybody, without encryption. */
  readonly membership: Membership | undefined;
  /** As it is called here; undefined where nothing of it is stored. */
  readonly name?: NetworkName | undefined;
  /** Of its machines, whom we have to do with; undefined: all of them. */
  readonly gate?: Gate | undefined;
}

/** One without encryption, for whoever can reach it. */
export function openNetwork(indexes: readonly Address[]): Network {
  return { indexes: anyIndexAt(indexes), membership: undefined };
}

/** Where nobody knows who has to answer. */
export function anyIndexAt(addresses: readonly Address[]): IndexAddress[] {
  return addresses.map((address) => ({ ...address, fingerprints: undefined }));
}

/** As its links said it: each address with who has to answer there. */
export function knownIndexes({ indexes }: Pick<StoredNetwork, "indexes">): IndexAddress[] {
  return indexes.map(({ host, port, fingerprint }) => ({ host, port, fingerprints: [fingerprint] }));
}
