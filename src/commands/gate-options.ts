/** Options that say whom this machine has to do with; and who is banned, from the file that `p2p ban` writes. */
import { stateFolder } from "../config.ts";
import { BanFileWatch, banFileIn } from "../net/ban-file.ts";
import type { AddressRange } from "../net/cidr.ts";
import { AddressGate } from "../net/gate.ts";
import { parseIpAddress } from "../net/ip-address.ts";
import * as kinds from "../options/kinds.ts";
import { repeated } from "../options/options.ts";
import type { Log } from "../output/log.ts";
import type { Gate } from "../trust/gate.ts";
import { limits } from "./limit-options.ts";

/** `who`: completes "Address or network …". */
export function gating(who: string) {
  return {
    allow: repeated(kinds.addressRange, {
      flag: "allow",
      defaultText: "all",
      description: `Address or network ${who}; then no others may, but this machine. Give it again for more`,
      group: limits,
    }),
    deny: repeated(kinds.addressRange, {
      flag: "deny",
      defaultText: "none",
      description: "Address or network that may not, whatever is allowed; give it again for more",
      group: limits,
    }),
  };
}

/** Whether an address is in one of them. */
export function isWithin(ranges: readonly AddressRange[], host: string): boolean {
  const address = parseIpAddress(host);
  return address !== undefined && ranges.some((range) => range.contains(address));
}

export interface GateOptions {
  readonly allow?: readonly AddressRange[] | undefined;
  readonly deny?: readonly AddressRange[] | undefined;
}

/** A gate that learns of bans while it is used. Whoever opens it closes it. */
export class WatchedGate {
  private constructor(
    readonly gate: Gate,
    private readonly watch: BanFileWatch,
  ) {}

  /** Throws LocalIoError when the file of bans cannot be read. */
  static open({ allow = [], deny = [] }: GateOptions, log: Pick<Log, "info" | "warn">): WatchedGate {
    const watch = new BanFileWatch(banFileIn(stateFolder()), {
      changed: (bans) => gate.ban(bans),
      failed: (error) => log.warn(`${error.message}; those who were banned stay so`),
    });
    const textOf = ({ text }: AddressRange) => text;
    const given = { allow: allow.map(textOf), deny: deny.map(textOf), bans: watch.first };
    const gate = new AddressGate(given, () =>
      log.info("some are left out: they are banned (`p2p ban --list`), or denied here"),
    );
    return new WatchedGate(gate, watch);
  }

  /** Idempotent. */
  close(): void {
    this.watch.stop();
  }
}
