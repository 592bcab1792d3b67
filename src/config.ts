/**
 * Where this program keeps things and what its config file says, as found on the disk. Which keys are legal and
 * what their values mean is decided by the declarations of the options (`options/resolve.ts`).
 */
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { LocalIoError, reasonOf, systemCode, UsageError } from "./errors.ts";
import { printable } from "./printable.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The index listens here, and everybody else looks for it here, unless told otherwise. */
export const defaultIndexPort = 7766;
/** A peer listens here; on any free port when this one is taken and nobody asked for it. */
export const defaultPeerPort = 7767;
export const loopbackHost = "127.0.0.1";

/**
 * The folder of the index database, the hash cache and the history: `$P2P_HOME`, else `$XDG_STATE_HOME/p2p`, else
 * `~/.local/state/p2p`. It need not exist.
 */
export function stateFolder(environment: Environment = process.env): string {
  if (environment.P2P_HOME) return resolve(environment.P2P_HOME);
  return join(xdgFolder(environment, "XDG_STATE_HOME", ".local/state"), "p2p");
}

/** `$XDG_CONFIG_HOME/p2p/config.toml`, else `~/.config/p2p/config.toml`. */
export function configPath(environment: Environment): string {
  return join(xdgFolder(environment, "XDG_CONFIG_HOME", ".config"), "p2p", "config.toml");
}

/** The specification says to ignore a relative path in its variables. */
function xdgFolder(environment: Environment, variable: string, inHome: string): string {
  const given = environment[variable];
  return given && isAbsolute(given) ? given : join(homeFolder(environment), inHome);
}

/** Services and containers often have no HOME; the user database still knows. */
function homeFolder(environment: Environment): string {
  if (environment.HOME) return environment.HOME;
  let home: string | undefined;
  try {
    home = homedir();
  } catch {
    // No entry in the user database: answered below, like an empty entry.
  }
  if (!home)
    throw new LocalIoError(
      "this user has no home folder: set P2P_HOME and XDG_CONFIG_HOME to folders to use",
    );
  return home;
}

export interface ConfigFile {
  path: string;
  /** Flag names at the top level, and one table a verb with flag names of its own. */
  entries: Readonly<Record<string, unknown>>;
}

/** Far more than there are options. */
const maxConfigBytes = 1024 * 1024;

/** The config file, or undefined when there is none. */
export function readConfigFile(path: string): ConfigFile | undefined {
  let text: string;
  try {
    // Reading a pipe would wait for ever, and deaf to signals.
    const stats = statSync(path);
    if (!stats.isFile() && !stats.isDirectory()) throw new Error("it is no regular file");
    if (stats.size > maxConfigBytes) throw new Error("it is larger than 1 MiB");
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw new LocalIoError(`cannot read the config file ${printable(path, 500)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  try {
    return { path, entries: Bun.TOML.parse(text) as Record<string, unknown> };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new UsageError(`the config file ${printable(path, 500)} is no TOML: ${printable(problem)}`, {
      cause: error,
    });
  }
}
