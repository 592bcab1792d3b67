/** By which addresses other machines may reach this one, as far as it can tell itself. */
import { readFileSync } from "node:fs";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";

/** More would make a link long, and somebody who cannot reach it wait long. */
const maxAddresses = 4;

type Interfaces = Readonly<
  Record<string, readonly Pick<NetworkInterfaceInfo, "address" | "internal">[] | undefined>
>;

/** To be tried in this order; for what listens on `host`, which may be 0.0.0.0 or ::. */
export function reachableHosts(host: string): string[] {
  // A zone means nothing on another machine.
  if (host !== "0.0.0.0" && host !== "::") return host.includes("%") ? [] : [host];
  return hostsOf(networkInterfaces(), outwardInterface(), host === "::");
}

/**
 * Those of the interface that leads out first: the others are often only for what runs on this machine. Without
 * addresses that mean something on one cable alone. Pure.
 */
export function hostsOf(interfaces: Interfaces, outward: string | undefined, withIpv6: boolean): string[] {
  const names = Object.keys(interfaces).sort(
    (one, other) => Number(other === outward) - Number(one === outward),
  );
  return names
    .flatMap((name) => interfaces[name] ?? [])
    .filter(({ address, internal }) => !internal && !/^(169\.254\.|fe[89ab])/i.test(address))
    .map(({ address }) => address)
    .filter((address) => withIpv6 || !address.includes(":"))
    .slice(0, maxAddresses);
}

/** That of the default route, on Linux; nobody else says it in a file. */
function outwardInterface(): string | undefined {
  try {
    return outwardOf(readFileSync("/proc/net/route", "utf8"));
  } catch {
    return undefined;
  }
}

/** Lines of name, destination, gateway, …; with a heading. Pure. */
export function outwardOf(routes: string): string | undefined {
  const rows = routes.split("\n").map((line) => line.split("\t"));
  return rows.find(([, destination]) => destination === "00000000")?.[0];
}
