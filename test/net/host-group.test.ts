/** Which addresses count as one host. */
import { expect, test } from "bun:test";
import { isLoopback } from "../../src/loopback.ts";
import { hostGroup } from "../../src/net/host-group.ts";

test.each([
  ["10.0.0.5", "10.0.0.5"],
  ["::ffff:10.0.0.5", "10.0.0.5"],
  ["::ffff:a00:5", "10.0.0.5"],
  ["0:0:0:0:0:FFFF:0A00:0005", "10.0.0.5"],
  ["2001:db8:1:2:3:4:5.6.7.8", "2001:db8:1:2::/64"],
  ["a.example.org", "a.example.org"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::7", "2001:db8:1:2::/64"],
  ["2001:0db8:0001:0002::7", "2001:db8:1:2::/64"],
  ["2001:db8::7", "2001:db8:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
])("%s is counted with %s", (host, group) => {
  expect(hostGroup(host)).toBe(group);
});

test.each([
  ["127.0.0.1", true],
  ["127.255.1.2", true],
  ["127.1.1.999", false],
  ["::1", true],
  ["0:0::1", true],
  ["::ffff:127.0.0.1", true],
  ["::ffff:127.9.9.9", true],
  ["::ffff:10.0.0.1", false],
  ["localhost", true],
  ["127.example.org", false],
  ["0.0.0.0", false],
  ["::", false],
])("%s is loopback: %p", (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});
