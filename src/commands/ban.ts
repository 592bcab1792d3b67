/**
 * `p2p ban PEER|ADDRESS`: whom this machine has nothing to do with. Indexes and peers that run here see it within a second.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { stateFolder } from "../config.ts";
import { LocalIoError, NotFoundError, reasonOf, UsageError } from "../errors.ts";
import { banFileIn, readBans, writeBans } from "../net/ban-file.ts";
import { type Ban, banExpected, banText, isSameBan, parseBan } from "../net/ban-list.ts";
import { argument, declare, flag, type OptionsOf } from "../options/options.ts";
import { printable } from "../printable.ts";
import { ProcessLock } from "../process-lock.ts";
import type { CommandContext } from "./context.ts";
import { printing } from "./shared-args.ts";

export const declaration = declare({
  verb: "ban",
  summary: "Have nothing to do with a peer or an address",
  arguments: {
    who: argument({
      name: "PEER|ADDRESS",
      default: "",
      description:
        "Fingerprint of a peer or its first 8 digits or more (`p2p peers` shows them), an address, or a network",
    }),
  },
  options: {
    remove: flag({ flag: "remove", default: false, description: "End the ban" }),
    list: flag({ flag: "list", default: false, description: "Show who is banned" }),
    ...printing,
  },
});

export type BanOptions = OptionsOf<typeof declaration>;

/** Far more than anybody can look through; each connection is compared with all of them. */
const maxBans = 10_000;
/** Others change the file in milliseconds. */
const lockAttempts = 50;
const lockRetryMs = 100;

export async function run(options: BanOptions, { output, log }: CommandContext): Promise<void> {
  const { who, remove, list } = options;
  const path = banFileIn(stateFolder());
  if (list) {
    if (who !== "" || remove) throw new UsageError("--list shows all who are banned: leave the rest out");
    const bans = readBans(path);
    for (const ban of bans) output.event({ event: "ban", who: ban });
    if (bans.length === 0) log.info("nobody is banned");
    return;
  }
  if (who === "") throw new UsageError("missing argument PEER|ADDRESS (p2p ban --list shows who is banned)");
  const ban = parseBan(who);
  if (ban === undefined) throw new UsageError(`cannot ban ${printable(who)}: expected ${banExpected}`);
  await changed(path, (bans) => (remove ? without(bans, ban) : withBan(bans, ban)));
  output.event({ event: remove ? "unbanned" : "banned", who: banText(ban) });
}

/** One process after the other, so that no ban is lost. */
async function changed(path: string, change: (bans: readonly string[]) => readonly string[]): Promise<void> {
  const lock = await locked(path);
  try {
    const before = readBans(path);
    const after = change(before);
    if (after !== before) writeBans(path, after);
  } finally {
    lock.release();
  }
}

async function locked(path: string): Promise<ProcessLock> {
  makeFolder(dirname(path));
  for (let attempt = 1; ; attempt++) {
    try {
      return ProcessLock.acquire(`${path}.lock`, "changing who is banned");
    } catch (error) {
      if (!(error instanceof LocalIoError) || attempt === lockAttempts) throw error;
    }
    await Bun.sleep(lockRetryMs);
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new LocalIoError(`cannot make ${printable(path, 500)}: ${reasonOf(error)}`, { cause: error });
  }
}

function withBan(bans: readonly string[], ban: Ban): readonly string[] {
  if (bans.some((other) => isSame(other, ban))) return bans;
  if (bans.length >= maxBans)
    throw new LocalIoError(`${maxBans} are banned already: ban a network instead, or remove some`);
  return [...bans, banText(ban)];
}

function without(bans: readonly string[], ban: Ban): readonly string[] {
  const left = bans.filter((other) => !isSame(other, ban));
  if (left.length === bans.length)
    throw new NotFoundError(`${banText(ban)} is not banned by that name (p2p ban --list)`);
  return left;
}

function isSame(text: string, ban: Ban): boolean {
  const other = parseBan(text);
  return other !== undefined && isSameBan(other, ban);
}
