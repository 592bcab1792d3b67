/** What is remembered of a private network: its file as bytes, and what joining again does to it. Pure. */
import { type Address, isHost } from "../address.ts";
import { safePartProblem } from "../wire/file-name.ts";
import { type Fingerprint, fingerprint } from "../wire/fingerprint.ts";
import { fieldsOf, isWhole, parseLine } from "../wire/json.ts";
import type { JoinLink } from "./join-link.ts";
import type { Secret } from "./secret.ts";
import { parseToken } from "./token.ts";

export interface KnownIndex extends Address {
  readonly fingerprint: Fingerprint;
}

export interface StoredNetwork {
  readonly token: Secret;
  /** To be tried in this order. One index may have several addresses. */
  readonly indexes: readonly KnownIndex[];
}

export type NetworkName = string & { readonly brand: "NetworkName" };

export const defaultNetworkName = "default" as NetworkName;

const legalName = /^[a-z0-9][a-z0-9_-]{0,31}$/;

/** Undefined for what is none; what Windows takes for a device is none anywhere, as it is the name of a file. */
export function networkName(text: string): NetworkName | undefined {
  return legalName.test(text) && safePartProblem(text, "win32") === undefined
    ? (text as NetworkName)
    : undefined;
}

/** The network that a link leads to, when nothing else is known of it. */
export function networkOfLink({ token, addresses, fingerprint: index }: JoinLink): StoredNetwork {
  return { token, indexes: addresses.map(({ host, port }) => ({ host, port, fingerprint: index })) };
}

/** Its index is known already, or its token is: then what the link says is news of the same network. */
export function isSameNetwork(known: StoredNetwork, joined: StoredNetwork): boolean {
  return (
    known.token.equals(joined.token) ||
    joined.indexes.some((index) => known.indexes.some((other) => other.fingerprint === index.fingerprint))
  );
}

/** Of one network: the newer token, and the newer addresses of each index; what is newer comes first. */
export function merged(known: StoredNetwork, newer: StoredNetwork): StoredNetwork {
  const told = new Set(newer.indexes.map((index) => index.fingerprint));
  const others = known.indexes.filter((index) => !told.has(index.fingerprint));
  return { token: newer.token, indexes: [...newer.indexes, ...others] };
}

/** One for each index. */
export function linksOf({ token, indexes }: StoredNetwork): JoinLink[] {
  const byIndex = Map.groupBy(indexes, (index) => index.fingerprint);
  return [...byIndex].map(([index, addresses]) => ({ addresses, token, fingerprint: index }));
}

export function encodeStoredNetwork({ token, indexes }: StoredNetwork): Uint8Array {
  const fields = {
    version: 1,
    token: token.reveal(),
    indexes: indexes.map(({ host, port, fingerprint: index }) => ({ host, port, fingerprint: index })),
  };
  return Buffer.from(`${JSON.stringify(fields, undefined, 2)}\n`);
}

/** Undefined for what `encodeStoredNetwork` has not written. */
export function decodeStoredNetwork(bytes: Uint8Array): StoredNetwork | undefined {
  try {
    const { version, token, indexes } = parseLine(bytes);
    if (version !== 1 || typeof token !== "string" || !Array.isArray(indexes)) return undefined;
    const known = indexes.map(knownIndex);
    if (known.length === 0 || known.some((index) => index === undefined)) return undefined;
    return { token: parseToken(token, "it"), indexes: known as KnownIndex[] };
  } catch {
    // What the two parsers throw is about what somebody sent or typed.
    return undefined;
  }
}

function knownIndex(value: unknown): KnownIndex | undefined {
  const { host, port, fingerprint: digits } = fieldsOf(value, null);
  const index = typeof digits === "string" ? fingerprint(digits) : undefined;
  if (typeof host !== "string" || !isHost(host) || !isWhole(port) || port < 1 || port > 65_535)
    return undefined;
  return index && { host, port, fingerprint: index };
}
