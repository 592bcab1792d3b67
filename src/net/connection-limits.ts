/** What a listener allows, as its owner sets it: how many connections, of whom, and for how long. No mechanism. */
import {
  handshakeTimeoutMs,
  idleTimeoutMs,
  maxConnectionsPerAddress,
  maxFailedProofsPerAddress,
  maxIndexConnections,
  maxNewIndexConnectionsPerAddress,
  maxNewPeerConnectionsPerAddress,
  maxPeerConnections,
  maxPendingConnections,
  writeTimeoutMs,
} from "../wire/limits.ts";
import { type AddressLimit, addressLimit } from "./address-limits.ts";

export interface ConnectionLimits {
  readonly total: number;
  /** That have not said HELLO yet. */
  readonly pending: number;
  readonly perAddress: AddressLimit;
  /** In `arrivalWindowMs`. */
  readonly newPerAddress: AddressLimit;
  /** In `failedProofWindowMs`: who has not proved to belong to the network. */
  readonly failedProofsPerAddress: AddressLimit;
  /** From accept to HELLO, however much is said. */
  readonly handshakeTimeoutMs: number;
  /** Nothing is said on either side. */
  readonly idleTimeoutMs: number;
  /** The other side takes nothing although there is something for it. */
  readonly writeTimeoutMs: number;
}

const common = {
  pending: maxPendingConnections,
  perAddress: addressLimit(maxConnectionsPerAddress),
  failedProofsPerAddress: addressLimit(maxFailedProofsPerAddress),
  handshakeTimeoutMs,
  idleTimeoutMs,
  writeTimeoutMs,
};

export const indexConnectionLimits: ConnectionLimits = {
  ...common,
  total: maxIndexConnections,
  newPerAddress: addressLimit(maxNewIndexConnectionsPerAddress),
};

export const peerConnectionLimits: ConnectionLimits = {
  ...common,
  total: maxPeerConnections,
  newPerAddress: addressLimit(maxNewPeerConnectionsPerAddress),
};

/**
 * For each of several threads that listen on one port and know nothing of each other. The kernel spreads connections
 * by chance, so one thread may be full a little before all are.
 */
export function shareOf(limits: ConnectionLimits, threads: number): ConnectionLimits {
  const share = (all: number) => Math.ceil(all / threads);
  const shareOfAddress = (limit: AddressLimit) => ({ ...limit, most: share(limit.most) });
  return {
    ...limits,
    total: share(limits.total),
    pending: share(limits.pending),
    perAddress: shareOfAddress(limits.perAddress),
    newPerAddress: shareOfAddress(limits.newPerAddress),
    failedProofsPerAddress: shareOfAddress(limits.failedProofsPerAddress),
  };
}
