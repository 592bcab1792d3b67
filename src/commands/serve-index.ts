/**
 * `p2p serve-index`: runs an index until a signal.
 */
import { join } from "node:path";
import { defaultIndexPort, stateFolder } from "../config.ts";
import { IndexServer } from "../index-server/server.ts";
import { addressLimit } from "../net/address-limits.ts";
import { indexConnectionLimits } from "../net/connection-limits.ts";
import * as kinds from "../options/kinds.ts";
import { declare, type OptionsOf, single } from "../options/options.ts";
import { aborted } from "../shutdown.ts";
import { maxFilesPerIndex, maxFilesPerPeer, maxPeersPerAddress } from "../wire/limits.ts";
import type { CommandContext } from "./context.ts";
import { connectionLimiting, connectionLimitsOf, countLimit, countLimitPerAddress } from "./limit-options.ts";
import { checkOpen, listening, printing } from "./shared-args.ts";

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
    /** A path, or `:memory:`. */
    databasePath: single(kinds.text("PATH"), {
      flag: "db",
      defaultFrom: (environment) => join(stateFolder(environment), "index.db"),
      defaultText: "$P2P_HOME/index.db",
      description: "SQLite database of the index; :memory: keeps it in memory",
    }),
    open: listening.open,
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
  checkOpen(options.host, options.open);
  const { output, log, terminal, signal } = context;
  const { host, databasePath } = options;
  const fatal = Promise.withResolvers<never>();
  const server = IndexServer.start({
    host,
    port: options.port,
    databasePath,
    log,
    connectionLimits: connectionLimitsOf(options, indexConnectionLimits, log),
    peersPerAddress: addressLimit(maxPeersPerAddress, options.maxPeersPerAddress),
    limits: { filesPerPeer: options.maxFilesPerPeer, filesPerIndex: options.maxFilesPerIndex },
    onFatal: (error) => fatal.reject(error),
  });
  const tellStatistics = () => terminal.print(`${server.statistics()}\n`);
  process.on("SIGUSR1", tellStatistics);
  try {
    output.event({ event: "listening", host, port: server.port, db: databasePath });
    await Promise.race([aborted(signal), fatal.promise]);
  } finally {
    process.off("SIGUSR1", tellStatistics);
    server.stop();
  }
}
