/** Shows what others join a network with. */
import type { Output } from "../output/output.ts";
import { formatJoinLink } from "../trust/join-link.ts";
import { linksOf, type NetworkName, type StoredNetwork } from "../trust/stored-network.ts";

/** One link for each of its indexes. */
export function showLinks(network: NetworkName, known: StoredNetwork, output: Output): void {
  for (const link of linksOf(known)) output.event({ event: "link", network, link: formatJoinLink(link) });
}
