/** Whether two spellings are of one address: what was joined is not to be missed because it was typed otherwise. Pure. */
import type { Address } from "../address.ts";
import { parseIpAddress, unmapped } from "./ip-address.ts";

/** Whatever the case of a name, and however an IP address is written. Which name means which address is not looked up. */
export function isSameAddress(one: Address, other: Address): boolean {
  return one.port === other.port && spellingOf(one.host) === spellingOf(other.host);
}

function spellingOf(host: string): string {
  const name = host.toLowerCase().replace(/\.$/, "");
  const address = parseIpAddress(name === "localhost" ? "127.0.0.1" : name);
  if (address === undefined) return name;
  const { bits, value } = unmapped(address);
  const zone = /%.*$/.exec(name)?.[0] ?? "";
  return `${bits}/${value}${zone}`;
}
