/**
 * Which addresses an index may name as sources: the last line when it is hostile, or mistaken. It could have us knock
 * at services of our own machine or network that nobody from outside reaches. Pure.
 */
import { BlockList, isIP, isIPv6 } from "node:net";
import type { Source } from "../wire/messages.ts";

/** How far an address can be reached from. */
const kinds = ["machine", "link", "site", "world"] as const;
type Reach = (typeof kinds)[number];

/** The special ones of RFC 6890 that a machine can have; all others are of the world. */
const ranges: Readonly<Record<Exclude<Reach, "world"> | "nobody", readonly string[]>> = {
  machine: ["127.0.0.0/8", "::1/128"],
  // Cloud providers answer with secrets at 169.254.169.254.
  link: ["169.254.0.0/16", "fe80::/10"],
  site: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10"],
  // "This network", several at once, reserved: one machine cannot have them.
  // And what stands for an IPv4 address in another spelling: who means one writes that.
  nobody: [
    ...["0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/96", "ff00::/8"],
    ...["64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"],
  ],
};

const lists = new Map(Object.entries(ranges).map(([kind, networks]) => [kind, listOf(networks)]));

/** `host` as a source of an index that we reach at `indexHost`: both literal addresses. An empty `indexHost`: nobody knows. */
export function mayBeSource(host: string, indexHost: string): boolean {
  const reach = reachOf(host);
  if (reach === "nobody") return false;
  const ofIndex = reachOf(indexHost);
  // An index sees others at addresses that reach at least as far as its own: one on this machine sees any. One that is
  // reached through a gateway (64:ff9b::/96), or whose address is not known, could be anywhere.
  return kinds.indexOf(reach) >= kinds.indexOf(ofIndex === "nobody" ? "world" : ofIndex);
}

function reachOf(host: string): Reach | "nobody" {
  // What only looks like an address would be taken for a name.
  if (isIP(host) === 0) return "nobody";
  const family = isIPv6(host) ? "ipv6" : "ipv4";
  for (const [kind, list] of lists) if (list.check(host, family)) return kind as Reach | "nobody";
  return "world";
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    list.addSubnet(address, Number(bits), isIPv6(address) ? "ipv6" : "ipv4");
  }
  return list;
}

/** What an index says of a content, or of a file. */
interface Sourced {
  readonly sources: readonly Source[];
  /** How many sources there are. */
  readonly total: number;
}

/** The same without sources that are not `fine`; what then has none is left out. `refused`: one of these. */
export function withSources<Item extends Sourced>(
  items: readonly Item[],
  fine: (source: Source) => boolean,
): { items: Item[]; refused: Source | undefined } {
  // All files of a page name one and the same object for a source.
  const verdicts = new Map<Source, boolean>();
  const isFine = (source: Source) => {
    const verdict = verdicts.get(source) ?? fine(source);
    verdicts.set(source, verdict);
    return verdict;
  };
  let refused: Source | undefined;
  const left: Item[] = [];
  for (const item of items) {
    const sources = item.sources.filter(isFine);
    const dropped = item.sources.length - sources.length;
    if (dropped === 0) left.push(item);
    else {
      refused ??= item.sources.find((source) => !isFine(source));
      if (sources.length > 0) left.push({ ...item, sources, total: item.total - dropped });
    }
  }
  return { items: left, refused };
}
