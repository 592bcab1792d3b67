/** Where something listens, and how that is written. */

/** An IPv6 host is without brackets here and with them in text. */
export interface Address {
  host: string;
  port: number;
}

/** `127.0.0.1:7766`, `[::1]:7766`. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** As `formatAddress` writes it, and port 0 besides (any free one, for what listens); undefined for what is none. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535 || !isHost(host)) return undefined;
  return (match?.[1] !== undefined) === host.includes(":") ? { host, port } : undefined;
}

/** RFC 1123 names (with the `_` people use), IPv4, and IPv6 with a zone. */
export function isHost(text: string): boolean {
  return text.length <= 253 && (/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?$/i.test(text) || isIpv6(text));
}

function isIpv6(text: string): boolean {
  return /^[0-9a-f:.]*:[0-9a-f:.]*(%[a-z0-9_.-]+)?$/i.test(text);
}
