/** What runs for long takes a token that was changed: by `p2p join` with the new link, or by `p2p token rotate` here. */
import { stateFolder } from "../config.ts";
import type { Log } from "../output/log.ts";
import type { Network } from "../trust/network.ts";
import { NetworkStore } from "../trust/network-store.ts";
import { NetworkWatch } from "../trust/network-watch.ts";

/** `stop` is the caller's to call. A token that was given to the process itself is nowhere to be followed. */
export function followToken(
  { name, membership }: Network,
  log: Pick<Log, "info" | "warn">,
): { stop(): void } {
  if (name === undefined || membership === undefined) return { stop() {} };
  return new NetworkWatch(new NetworkStore(stateFolder()), name, {
    changed: ({ token }) => {
      if (membership.renew(token))
        log.info(`the token of network ${name} was changed: the new one is used from now on`);
    },
    failed: ({ message }) => log.warn(`this goes on with the token it has: ${message}`),
  });
}
