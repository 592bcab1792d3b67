/** All that `p2p doctor` looks at, in the order in which it matters. */
import { type Address, formatAddress } from "../address.ts";
import type { IndexClient } from "../net/index-client.ts";
import { unlessAborted } from "../shutdown.ts";
import type { Network } from "../trust/network.ts";
import { checkIndex } from "./check-index.ts";
import { checkPeer, checkReach } from "./check-reach.ts";
import { checkDisk, checkHashing } from "./check-speed.ts";
import { checkFileLimit, checkState, checkWatching } from "./check-system.ts";
import type { Finding } from "./finding.ts";

export interface Examination {
  network: Network;
  /** Where a peer on this machine would listen, and where it would say that it is reached. */
  host: string;
  port: number;
  advertise: Address | undefined;
  /** Another peer, to be connected to. */
  peer: Address | undefined;
  /** That is shared, or would be. */
  folder: string;
  /** Where downloads go. */
  target: string;
  state: string;
  threads: number;
}

/** Tells each finding as it is there. Rejects with the reason of `signal`, and with what is a fault of ours. */
export async function examine(
  examination: Examination,
  tell: (finding: Finding) => void,
  signal: AbortSignal,
): Promise<void> {
  const { network, peer, folder, target, state, threads } = examination;
  const { membership } = network;
  tell(checkState(state));
  let client: IndexClient | undefined;
  for (const index of network.indexes) {
    const found = await unlessAborted(checkIndex(network, index), signal);
    for (const finding of found.findings) tell(finding);
    if (client === undefined) client = found.client;
    else found.client?.close();
  }
  try {
    if (client !== undefined) tell(await unlessAborted(checkReach(client, examination, membership), signal));
  } finally {
    client?.close();
  }
  if (peer !== undefined) tell(await unlessAborted(checkPeer(peer, membership), signal));
  else
    tell({
      check: "peer",
      status: "skipped",
      detail: `say --peer HOST:PORT to look for one (${formatAddress(examplePeer)})`,
    });
  tell(await unlessAborted(checkDisk(target), signal));
  tell(await unlessAborted(checkHashing(threads), signal));
  tell(await unlessAborted(checkWatching(folder, signal), signal));
  tell(checkFileLimit());
}

const examplePeer: Address = { host: "10.0.0.5", port: 7767 };
