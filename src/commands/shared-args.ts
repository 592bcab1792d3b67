/**
 * Options that several verbs have, declared once, and the checks that go with them.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defaultIndexPort, loopbackHost, stateFolder } from "../config.ts";
import { UsageError } from "../errors.ts";
import { isLoopback } from "../loopback.ts";
import { RateLimit } from "../net/rate-limit.ts";
import * as kinds from "../options/kinds.ts";
import { flag, optional, repeated, single } from "../options/options.ts";
import { printable } from "../printable.ts";
import type { TransferOptions } from "../transfer/fetch.ts";
import type { Network } from "../trust/network.ts";
import { defaultNetworkName } from "../trust/stored-network.ts";
import { chunkBytes, maxGetBytes } from "../wire/limits.ts";
import { type HostLimitValues, hostLimitsOf } from "./transfer-limit-options.ts";

/** What every verb prints, and how. */
export const printing = {
  json: flag({
    flag: "json",
    default: false,
    description: "Standard output becomes JSON events, one a line",
  }),
  quiet: flag({ flag: "quiet", default: false, description: "No logs but errors, and no progress" }),
  verbose: flag({ flag: "verbose", default: false, description: "More logs" }),
};

/** Which network a command takes part in; `networkOf` reads them. */
export const belonging = {
  network: optional(kinds.networkName, {
    flag: "network",
    defaultText: "the one of --index, else default",
    description: "Private network to take part in: its name here, from when it was joined",
  }),
  tokenFile: optional(kinds.text("PATH"), {
    flag: "token-file",
    defaultText: "none",
    description:
      "For machines: file, or /dev/fd/N, with the token of a private network (`p2p token new`); P2P_TOKEN can hold it itself",
  }),
};

/** For the verbs that join, leave and show networks. */
export function joinedName(description: string) {
  return single(kinds.networkName, { flag: "network", default: defaultNetworkName, description });
}

/** For all who ask an index. */
export const asking = {
  index: repeated(kinds.address, {
    flag: "index",
    defaultText: `the network's, else ${loopbackHost}:${defaultIndexPort}`,
    description: "Index to ask; give it again for others to try when one cannot be reached",
  }),
  open: flag({
    flag: "open",
    default: false,
    description: "Take part in no private network: nothing is encrypted, and whoever answers is believed",
  }),
  ...belonging,
};

/** A path, or `:memory:`. */
export function indexDatabase(description: string) {
  return single(kinds.text("PATH"), {
    flag: "db",
    defaultFrom: (environment) => join(stateFolder(environment), "index.db"),
    defaultText: "$P2P_HOME/index.db",
    description,
  });
}

/** For all who listen. */
export const open = flag({
  flag: "open",
  default: false,
  description:
    "Take part in no private network: nothing is encrypted, and anyone who can reach HOST may come",
});

/** For who serves files; `listenHost` goes with it. */
export function servingHost(description: string) {
  return optional(kinds.host, {
    flag: "host",
    defaultText: `${loopbackHost}; all in a private network of several machines`,
    description,
  });
}

/** For a peer, and for who looks whether one can be reached. */
export const advertise = optional(kinds.literalAddress, {
  flag: "advertise",
  defaultText: "where the index sees this machine",
  description:
    "IP address, with a port if it is another one, at which others reach this peer; the index has to allow it (serve-index --allow-advertise)",
});

/** How a download is made, by `query` and by QUERY in the prompt. */
export const downloading = {
  connections: single(kinds.integer({ min: 1, max: 256 }), {
    flag: "connections",
    default: 8,
    description: "Connections of a download, over all its sources",
  }),
  chunkSizeBytes: single(kinds.bytes({ min: chunkBytes, max: maxGetBytes, multipleOf: chunkBytes }), {
    flag: "chunk-size",
    default: 4 * chunkBytes,
    description: "How much one request asks for",
  }),
  timeoutSeconds: single(kinds.seconds(0), {
    flag: "timeout",
    default: 30,
    description: "How long a download waits without one verified byte from anybody",
  }),
};

/** How fast transfers may be, all together. */
export const rates = {
  up: single(kinds.rate, {
    flag: "up",
    default: Number.POSITIVE_INFINITY,
    description: "Bytes a second that are sent at most, to all others together",
  }),
  down: single(kinds.rate, {
    flag: "down",
    default: Number.POSITIVE_INFINITY,
    description: "Bytes a second that are fetched at most, by all downloads together",
  }),
};

/** `bytesPerSecond` as the option has it: infinite for none. */
export function rateLimit(bytesPerSecond: number): RateLimit {
  const limit = new RateLimit();
  setRate(limit, bytesPerSecond);
  return limit;
}

export function setRate(limit: RateLimit, bytesPerSecond: number): void {
  limit.bytesPerSecond = Number.isFinite(bytesPerSecond) ? bytesPerSecond : 0;
}

/** For the transfer engine. */
export function transferOptions(
  options: {
    connections: number;
    chunkSizeBytes: number;
    timeoutSeconds: number;
    threads: number;
    down: number;
  } & HostLimitValues,
  checkSpace: boolean,
  { membership, gate }: Network,
): TransferOptions {
  return {
    limit: rateLimit(options.down),
    requestBytes: options.chunkSizeBytes,
    connections: options.connections,
    threads: options.threads,
    timeoutMs: options.timeoutSeconds * 1000,
    hostLimits: hostLimitsOf(options),
    checkSpace,
    membership,
    gate,
  };
}

export const threads = single(kinds.integer({ min: 1, max: 64 }), {
  flag: "threads",
  defaultFrom: () => Math.min(64, availableParallelism()),
  defaultText: "one per core",
  description: "Worker threads for hashing and transfers",
});

/** Throws when other machines can reach `host`, the network is open to all, and nobody said that this is meant. */
export function checkOpen(host: string, isMeant: boolean): void {
  if (isMeant || isLoopback(host)) return;
  throw new UsageError(
    `--host ${printable(host)} lets everybody who can reach this machine in: join a private network first ` +
      "(`p2p join`), or add --open if anyone may come",
  );
}
