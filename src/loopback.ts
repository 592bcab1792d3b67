/** Which addresses are this machine itself. Pure. */

/** `localhost`, 127.0.0.0/8, ::1 in any spelling, and the former inside IPv6 (`::ffff:127.0.0.1`). */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^::ffff:(?=\d)/, "");
  return bare === "localhost" || /^127(\.\d{1,3}){3}$/.test(bare) || /^[0:]*:0{0,3}1$/.test(bare);
}
