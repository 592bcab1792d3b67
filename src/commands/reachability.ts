/** Whether others will reach a peer that was started like this, as far as its own options tell. Pure. */

import { defaultPeerPort } from "../config.ts";
import { isLoopback } from "../loopback.ts";
import type { Network } from "../trust/network.ts";

export interface PeerAddress {
  host: string;
  /** Undefined when nobody asked for one. */
  wantedPort: number | undefined;
  /** Where it listens in fact. */
  port: number;
  network: Network;
}

/** One line for each thing that will surprise, with what to do about it. */
export function reachabilityWarnings({ host, wantedPort, port, network }: PeerAddress): string[] {
  const warnings: string[] = [];
  const { indexes, membership } = network;
  const local = indexes.filter((index) => isLoopback(index.host));
  if (isLoopback(host)) {
    if (local.length === 0) {
      warnings.push(
        `this peer listens on ${host} only, so others find its files and cannot fetch them: ` +
          `add --host with an address of this machine (or 0.0.0.0)${membership === undefined ? " and --open" : ""}`,
      );
    }
    return warnings;
  }
  if (local.length > 0) {
    warnings.push(
      `the index at ${local[0]?.host} lists this peer under that address, which leads others nowhere: ` +
        "give --index this machine's own address",
    );
  }
  if (wantedPort === undefined && port !== defaultPeerPort) {
    warnings.push(
      `port ${defaultPeerPort} is taken, so this peer listens on ${port}: a firewall may block that; --port chooses another`,
    );
  }
  return warnings;
}
