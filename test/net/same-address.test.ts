/** Whether two spellings are of one address. */
import { expect, test } from "bun:test";
import { isSameAddress } from "../../src/net/same-address.ts";

test.each([
  ["nas", "NAS", true],
  ["nas.example.org", "Nas.Example.org.", true],
  ["nas", "nas.example.org", false],
  ["10.0.0.5", "::ffff:10.0.0.5", true],
  ["10.0.0.5", "::ffff:a00:5", true],
  ["10.0.0.5", "10.0.0.6", false],
  ["fd00::5", "FD00:0:0:0::0005", true],
  ["fe80::1%eth0", "fe80::1%eth1", false],
  ["fe80::1%eth0", "FE80:0::1%eth0", true],
  ["localhost", "127.0.0.1", true],
  ["localhost", "127.0.0.2", false],
])("%s and %s", (one, other, isSame) => {
  const at = (host: string, port = 7766) => ({ host, port });
  expect(isSameAddress(at(one), at(other))).toBe(isSame);
  expect(isSameAddress(at(other), at(one))).toBe(isSame);
  expect(isSameAddress(at(one), at(other, 7767))).toBe(false);
});
