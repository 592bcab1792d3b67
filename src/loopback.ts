/** Which hosts cannot be reached from other machines. */

const loopbackIpv4 = /^127(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;
const loopbackIpv6 = /^(::1|::ffff:7f[\da-f]{2}:[\da-f]{1,4})$/;

/** 127.0.0.0/8 (RFC 1122) and ::1 (RFC 4291), the former also mapped into IPv6. Other names can be anything. */
export function isLoopback(host: string): boolean {
  if (host.includes(":")) return loopbackIpv6.test(shortestIpv6(host));
  return host.toLowerCase() === "localhost" || loopbackIpv4.test(host);
}

/** As the URL standard writes an IPv6 address; an empty text for what is none. */
function shortestIpv6(host: string): string {
  return URL.parse(`http://[${host}]`)?.hostname.slice(1, -1) ?? "";
}
