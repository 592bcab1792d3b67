/**
 * Options that limit what strangers may do to a server, the same for the index and for a peer. What the limits mean
 * is in `net/`; what they are when nobody sets them, in `wire/limits.ts`.
 */
import { type AddressLimit, addressLimit } from "../net/address-limits.ts";
import type { ConnectionLimits } from "../net/connection-limits.ts";
import { connectionsWithin } from "../net/file-limit.ts";
import * as kinds from "../options/kinds.ts";
import { type Option, type OptionGroup, type OptionsOf, optional, single } from "../options/options.ts";
import type { Log } from "../output/log.ts";
import { arrivalWindowMs, failedProofWindowMs } from "../wire/limits.ts";

export const limits: OptionGroup = {
  title: "Limits",
  note: "Those for each address count all of a /64 of IPv6 as one, and loopback addresses only if they are set.",
};

/** One line of the longest. */
const leastMemoryBytes = 1024 * 1024;
/** More of anything than one machine can have. */
const mostOfAnything = 1_000_000_000;

export function countLimit(given: { flag: string; default: number; description: string }): Option<number> {
  return single(kinds.integer({ min: 1, max: mostOfAnything }), { ...given, group: limits });
}

/** Undefined when nobody has set it: see `addressLimit`. */
export function countLimitPerAddress(given: {
  flag: string;
  usual: AddressLimit;
  description: string;
}): Option<number | undefined> {
  const { flag, description, usual } = given;
  const defaultText = String(usual.most);
  return optional(kinds.integer({ min: 1, max: mostOfAnything }), {
    flag,
    description,
    defaultText,
    group: limits,
  });
}

/** Of memory. */
export function sizeLimit(given: { flag: string; default: number; description: string }): Option<number> {
  return single(kinds.bytes({ min: leastMemoryBytes, max: Number.MAX_SAFE_INTEGER }), {
    ...given,
    group: limits,
  });
}

function deadline(given: { flag: string; defaultMs: number; description: string }): Option<number> {
  const { flag, description, defaultMs } = given;
  return single(kinds.seconds(0), { flag, description, default: defaultMs / 1000, group: limits });
}

/** `usual`: when nobody sets them. */
export function connectionLimiting(usual: ConnectionLimits) {
  return {
    maxConnections: countLimit({
      flag: "max-connections",
      default: usual.total,
      description: "Connections at once, fewer when the limit of open files is low",
    }),
    maxConnectionsPerAddress: countLimitPerAddress({
      flag: "max-connections-per-address",
      usual: usual.perAddress,
      description: "Connections of one address at once",
    }),
    maxNewConnectionsPerAddress: countLimitPerAddress({
      flag: "max-new-connections-per-address",
      usual: usual.newPerAddress,
      description: `New connections of one address in ${arrivalWindowMs / 1000} s`,
    }),
    maxFailedProofsPerAddress: countLimitPerAddress({
      flag: "max-failed-proofs-per-address",
      usual: usual.failedProofsPerAddress,
      description: `Connections of one address in ${failedProofWindowMs / 1000} s that do not prove to belong to the network`,
    }),
    maxPendingConnections: countLimit({
      flag: "max-pending-connections",
      default: usual.pending,
      description: "Connections that have not said HELLO yet, and at most half of all",
    }),
    handshakeTimeoutSeconds: deadline({
      flag: "handshake-timeout",
      defaultMs: usual.handshakeTimeoutMs,
      description: "How long a connection may take to say HELLO",
    }),
    idleTimeoutSeconds: deadline({
      flag: "idle-timeout",
      defaultMs: usual.idleTimeoutMs,
      description: "How long a connection may be silent after that",
    }),
    writeTimeoutSeconds: deadline({
      flag: "write-timeout",
      defaultMs: usual.writeTimeoutMs,
      description: "How long a connection may take nothing of what is sent to it",
    }),
  };
}

type ConnectionOptions = OptionsOf<{
  verb: "";
  summary: "";
  arguments: Record<never, never>;
  options: ReturnType<typeof connectionLimiting>;
}>;

/** Tells `log` when there are fewer files to open than connections wanted. */
export function connectionLimitsOf(
  options: ConnectionOptions,
  usual: ConnectionLimits,
  log: Pick<Log, "warn">,
): ConnectionLimits {
  const wanted = options.maxConnections;
  const total = connectionsWithin(wanted);
  if (total < wanted) {
    log.warn(`at most ${total} connections instead of ${wanted}: the limit of open files (ulimit -n) is low`);
  }
  return {
    total,
    pending: options.maxPendingConnections,
    perAddress: addressLimit(usual.perAddress.most, options.maxConnectionsPerAddress),
    newPerAddress: addressLimit(usual.newPerAddress.most, options.maxNewConnectionsPerAddress),
    failedProofsPerAddress: addressLimit(
      usual.failedProofsPerAddress.most,
      options.maxFailedProofsPerAddress,
    ),
    handshakeTimeoutMs: options.handshakeTimeoutSeconds * 1000,
    idleTimeoutMs: options.idleTimeoutSeconds * 1000,
    writeTimeoutMs: options.writeTimeoutSeconds * 1000,
  };
}
