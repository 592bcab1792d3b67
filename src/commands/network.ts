/** Which network a command takes part in, from its options. */
import type { Address } from "../address.ts";
import { type Network, openNetwork } from "../trust/network.ts";

export async function networkOf({ index }: { index: readonly Address[] }): Promise<Network> {
  return openNetwork(index);
}
