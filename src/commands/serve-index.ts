/**
 * `p2p serve-index`: runs an index until a signal.
 */
import { type Address, formatAddress } from "../address.ts";
import { defaultIndexPort, loopbackHost, stateFolder } from "../config.ts";
import { UsageError } from "../errors.ts";
import { HttpStatus } from "../index-server/http.ts";
import { shown } from "../index-server/postgres/database.ts";
import { isPostgresUrl } from "../index-server/postgres/open.ts";
import { DamagedIndexError, IndexServer } from "../index-server/server.ts";
import { inMemory } from "../index-server/sqlite/database.ts";
import { isLoopback } from "../loopback.ts";
import { addressLimit } from "../net/address-limits.ts";
import { budgetsOf } from "../net/budgets.ts";
import { indexConnectionLimits } from "../net/connection-limits.ts";
import * as kinds from "../options/kinds.ts";
import { declare, type OptionsOf, optional, repeated, single } from "../options/options.ts";
import { printable } from "../printable.ts";
import { neverShow } from "../redaction.ts";
import { aborted } from "../shutdown.ts";
import { setDatabaseAside } from "../sqlite.ts";
import {
  maxFilesPerIndex,
  maxFilesPerPeer,
  maxPeersPerAddress,
  maxReceivedBytes,
  maxUnsentBytes,
} from "../wire/limits.ts";
import type { CommandContext } from "./context.ts";
import { gating, isWithin, WatchedGate } from "./gate-options.ts";
import { IndexNetwork } from "./index-network.ts";
import {
  connectionLimiting,
  connectionLimitsOf,
  countLimit,
  countLimitPerAddress,
  limits,
  sizeLimit,
} from "./limit-options.ts";
import { belonging, indexDatabase, open, printing } from "./shared-args.ts";

export const declaration = declare({
  verb: "serve-index",
  summary: "Run an index: the server that knows who has what",
  arguments: {},
  options: {
    host: single(kinds.host, {
      flag: "host",
      default: loopbackHost,
      description:
        "Address to listen on; one that others can reach makes the network private, unless --open is given",
    }),
    port: single(kinds.port, {
      flag: "port",
      default: defaultIndexPort,
      description: "Port to listen on; 0 takes any free one",
    }),
    databasePath: indexDatabase(
      "SQLite file of the index; :memory: keeps it in memory; a postgres:// URL lets several share one",
    ),
    open,
    network: optional(kinds.networkName, {
      flag: "network",
      defaultText: "default, off loopback",
      description:
        "What the private network of this index is called here; also makes one on loopback private",
    }),
    tokenFile: belonging.tokenFile,
    linkHosts: repeated(kinds.host, {
      flag: "link-host",
      defaultText: "HOST, or those of this machine",
      description: "Address by which others reach this index, for the link; give it again for more",
    }),
    http: optional(kinds.listenAddress, {
      flag: "http",
      defaultText: "off",
      description:
        "Tell those who watch over it how it is: /metrics, /healthz and /readyz on PORT or HOST:PORT",
    }),
    allowAdvertise: repeated(kinds.addressRange, {
      flag: "allow-advertise",
      defaultText: "none",
      description:
        "Address or network that a peer may say it is reached at (peer --advertise); give it again for more",
      group: limits,
    }),
    ...gating("that may connect"),
    ...connectionLimiting(indexConnectionLimits),
    maxReceivedBytes: sizeLimit({
      flag: "max-received",
      default: maxReceivedBytes,
      description:
        "What has arrived and is not dealt with, of all connections; who would go beyond is not read from",
    }),
    maxUnsentBytes: sizeLimit({
      flag: "max-unsent",
      default: maxUnsentBytes,
      description: "What waits to be sent, on all connections; beyond that, who takes nothing is cut",
    }),
    maxPeersPerAddress: countLimitPerAddress({
      flag: "max-peers-per-address",
      usual: addressLimit(maxPeersPerAddress),
      description: "Registered peers of one address",
    }),
    maxFilesPerPeer: countLimit({
      flag: "max-files-per-peer",
      default: maxFilesPerPeer,
      description: "Files that one peer may register",
    }),
    maxFilesPerIndex: countLimit({
      flag: "max-files-per-index",
      default: maxFilesPerIndex,
      description: "Files of all peers together",
    }),
    ...printing,
  },
});

export type ServeIndexOptions = OptionsOf<typeof declaration>;

export async function run(options: ServeIndexOptions, context: CommandContext): Promise<void> {
  const { host, databasePath, http } = options;
  if (http !== undefined) checkHttp(http, options.open);
  const { output, log, terminal, signal } = context;
  const isShared = isPostgresUrl(databasePath);
  if (isShared) hidePassword(databasePath);
  else if (urlStart.test(databasePath))
    throw new UsageError(
      "--db takes the path of a file, :memory: or a postgres:// URL, and this is another URL",
    );
  const network = await IndexNetwork.of({ ...options, isShared, stateFolder: stateFolder() }, context);
  const doors = WatchedGate.open(options, log);
  let server: IndexServer | undefined;
  // First, so that a database that takes its time is seen as that.
  const status =
    http &&
    HttpStatus.start({
      address: http,
      index: () => server,
      onFailure: (error) => log.error(`--http: ${error instanceof Error ? error.message : String(error)}`),
    });
  const tellStatistics = () => terminal.print(`${server?.statistics()}\n`);
  process.on("SIGUSR1", tellStatistics);
  /** Runs an index until a signal, or until its database turns out to be damaged. */
  const serve = async (
    port: number,
    onListening: (port: number) => void,
  ): Promise<DamagedIndexError | undefined> => {
    const fatal = Promise.withResolvers<DamagedIndexError>();
    // What keeps it from starting is told by the start.
    fatal.promise.catch(() => {});
    try {
      server = await IndexServer.start({
        host,
        port,
        databasePath,
        log,
        secure: network?.secure,
        gate: doors.gate,
        mayAdvertise: (claimed) => isWithin(options.allowAdvertise ?? [], claimed),
        budgets: budgetsOf(options.maxReceivedBytes, options.maxUnsentBytes),
        connectionLimits: connectionLimitsOf(options, indexConnectionLimits, log),
        peersPerAddress: addressLimit(maxPeersPerAddress, options.maxPeersPerAddress),
        limits: { filesPerPeer: options.maxFilesPerPeer, filesPerIndex: options.maxFilesPerIndex },
        onFatal: (error) => {
          if (error instanceof DamagedIndexError) fatal.resolve(error);
          else fatal.reject(error);
        },
      });
      onListening(server.port);
      return (await Promise.race([aborted(signal), fatal.promise])) ?? undefined;
    } finally {
      await server?.stop();
    }
  };
  try {
    let listeningPort = options.port;
    let damage = await serve(options.port, (port) => {
      listeningPort = port;
      const watched = http && status && { http: formatAddress({ host: http.host, port: status.port }) };
      const db = isShared ? shown(databasePath) : databasePath;
      network?.keep(port, log);
      output.event({ event: "listening", host, port, db, ...watched, ...network?.shown() });
      network?.tellLink(context);
      network?.follow(() => server?.dropOldMembers(), log);
    });
    while (damage !== undefined) {
      // The temporary file of one in memory has gone with its index.
      const aside = databasePath === inMemory ? undefined : setDatabaseAside(databasePath);
      const what = aside === undefined ? "it" : `it was set aside as ${printable(aside, 500)} and`;
      log.error(`${damage.message}; ${what} is rebuilt by the peers`);
      damage = await serve(listeningPort, () => {});
    }
  } finally {
    process.off("SIGUSR1", tellStatistics);
    network?.stop();
    status?.stop();
    doors.close();
  }
}

/** The pages know of no token: they tell numbers to whoever can reach them. */
function checkHttp({ host }: Address, isOpen: boolean): void {
  if (isOpen || isLoopback(host)) return;
  throw new UsageError(
    `--http ${printable(host)} tells its numbers to everybody who can reach this machine: leave the host out, and let ` +
      "what collects them come through a tunnel or a proxy; an index that is --open may have it",
  );
}

/** Nobody means a file by it; it may be the link of a network, put in the wrong place. */
const urlStart = /^[a-z][a-z0-9+.-]*:\/\//i;

/** Throws UsageError for what is no URL, of which nothing is repeated. */
function hidePassword(url: string): void {
  if (!URL.canParse(url)) return;
  const { username, password, pathname } = new URL(url);
  neverShow(password);
  try {
    neverShow(decodeURIComponent(password));
    decodeURIComponent(username + pathname);
  } catch {
    throw new UsageError("the URL of --db has a % that stands for no character: write %25 for a % itself");
  }
}
