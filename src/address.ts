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
