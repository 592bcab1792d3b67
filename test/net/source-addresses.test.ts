/** Sources that an index may name (A33, SECURITY.md 1.6). */
import { expect, test } from "bun:test";
import { mayBeSource } from "../../src/net/source-addresses.ts";

test.each([
  // An index on this machine sees everybody, also who is on this machine.
  ["127.0.0.1", "127.0.0.1", true],
  ["10.0.0.5", "127.0.0.1", true],
  ["::1", "::1", true],
  ["203.0.113.9", "127.0.0.1", true],
  // One in our network sees that network and the world, and nobody on our machine.
  ["10.0.0.5", "192.168.1.1", true],
  ["203.0.113.9", "192.168.1.1", true],
  ["127.0.0.1", "192.168.1.1", false],
  ["127.8.8.8", "10.0.0.1", false],
  ["::1", "fd00::1", false],
  ["::ffff:127.0.0.1", "10.0.0.1", false],
  ["169.254.169.254", "10.0.0.1", false],
  ["fe80::1", "10.0.0.1", false],
  ["fe80::1", "fe80::2", true],
  // One out there sees the world and nothing else.
  ["8.8.8.8", "203.0.113.9", true],
  ["2001:db8::1", "203.0.113.9", true],
  ["192.168.1.1", "203.0.113.9", false],
  ["172.31.255.255", "203.0.113.9", false],
  ["172.32.0.0", "203.0.113.9", true],
  ["100.64.0.1", "203.0.113.9", false],
  ["fd00::1", "2001:db8::1", false],
  ["fec0::1", "2001:db8::1", false],
  // One that is behind a gateway, or nobody knows where, is out there.
  ["203.0.113.9", "64:ff9b::808:808", true],
  ["127.0.0.1", "64:ff9b::808:808", false],
  ["169.254.169.254", "2002:808:808::1", false],
  ["10.0.0.1", "", false],
  ["127.0.0.1", "", false],
  // Other spellings of IPv4 addresses, and none.
  ["::127.0.0.1", "::1", false],
  ["64:ff9b::7f00:1", "2001:db8::1", false],
  ["2002:7f00:1::", "2001:db8::1", false],
  ["localhost", "127.0.0.1", false],
  // These look like addresses, and would be taken for names.
  ["999.1.1.1", "127.0.0.1", false],
  ["1::2::3", "127.0.0.1", false],
  ["::::", "203.0.113.9", false],
  ["", "127.0.0.1", false],
  // Nobody has these, whoever says so.
  ["0.0.0.0", "127.0.0.1", false],
  ["224.0.0.1", "127.0.0.1", false],
  ["255.255.255.255", "127.0.0.1", false],
  ["::", "::1", false],
  ["ff02::1", "::1", false],
])("%s of an index at %s: %p", (host, indexHost, may) => expect(mayBeSource(host, indexHost)).toBe(may));
