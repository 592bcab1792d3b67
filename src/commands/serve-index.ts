/**
 * `p2p serve-index`: runs an index until a signal.
 */
import { formatAddress } from "../address.ts";
import { defaultIndexPort } from "../config.ts";
import { HttpStatus } from "../index-server/http.ts";
import { shown } from "../index-server/postgres/database.ts";
import { isPostgresUrl } from "../index-server/postgres/open.ts";
import { DamagedIndexError, IndexServer } from "../index-server/server.ts";
import { inMemory } from "../index-server/sqlite/database.ts";
import { addressLimit } from "../net/address-limits.ts";
import { indexConnectionLimits } from "../net/connection-limits.ts";
import * as kinds from "../options/kinds.ts";
import { declare, type OptionsOf, optional, single } from "../options/options.ts";
import { printable } from "../printable.ts";
import { aborted } from "../shutdown.ts";
import { setDatabaseAside } from "../sqlite.ts";
import { maxFilesPerIndex, maxFilesPerPeer, maxPeersPerAddress } from "../wire/limits.ts";
import type { CommandContext } from "./context.ts";
import { connectionLimiting, connectionLimitsOf, countLimit, countLimitPerAddress } from "./limit-options.ts";
import { checkOpen, indexDatabase, listening, printing } from "./shared-args.ts";

export const declaration = declare({
  verb: "serve-index",
  summary: "Run an index: the server that knows who has what",
  arguments: {},
  options: {
    host: listening.host,
    port: single(kinds.port, {
      flag: "port",
      default: defaultIndexPort,
      description: "Port to listen on; 0 takes any free one",
    }),
    databasePath: indexDatabase(
      "SQLite file of the index; :memory: keeps it in memory; a postgres:// URL lets several share one",
    ),
    open: listening.open,
    http: optional(kinds.listenAddress, {
      flag: "http",
      defaultText: "off",
      description:
        "Tell those who watch over it how it is: /metrics, /healthz and /readyz on PORT or HOST:PORT",
    }),
    ...connectionLimiting(indexConnectionLimits),
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
  checkOpen(host, options.open);
  if (http !== undefined) checkOpen(http.host, options.open, "http");
  const { output, log, terminal, signal } = context;
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
      const db = isPostgresUrl(databasePath) ? shown(databasePath) : databasePath;
      output.event({ event: "listening", host, port, db, ...watched });
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
    status?.stop();
  }
}
