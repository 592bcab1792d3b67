import { expect, test } from "bun:test";
import { hostsOf, outwardOf, reachableHosts } from "../../src/commands/own-addresses.ts";

const address = (text: string, internal = false) => ({ address: text, internal });
const interfaces = {
  lo: [address("127.0.0.1", true), address("::1", true)],
  docker0: [address("172.17.0.1"), address("fe80::42")],
  eth0: [address("10.0.0.5"), address("169.254.1.2"), address("fd00::5")],
  wg0: [address("10.8.0.1")],
};

test.each([
  ["the one that leads out comes first", "eth0", false, ["10.0.0.5", "172.17.0.1", "10.8.0.1"]],
  ["with IPv6", "eth0", true, ["10.0.0.5", "fd00::5", "172.17.0.1", "10.8.0.1"]],
  ["in their order when nobody knows", undefined, false, ["172.17.0.1", "10.0.0.5", "10.8.0.1"]],
])("%s", (_, outward, withIpv6, expected) =>
  expect(hostsOf(interfaces, outward, withIpv6)).toEqual(expected),
);

test("no more than a few", () => {
  const many = { eth0: Array.from({ length: 9 }, (_, i) => address(`10.0.0.${i}`)) };
  expect(hostsOf(many, undefined, false)).toHaveLength(4);
});

test("what listens on one address is reached there", () => {
  expect(reachableHosts("10.0.0.5")).toEqual(["10.0.0.5"]);
  expect(reachableHosts("fe80::1%eth0")).toEqual([]);
});

test("the interface of the default route", () => {
  const heading = "Iface\tDestination\tGateway\tFlags\n";
  expect(outwardOf(`${heading}docker0\t000011AC\t00000000\t0001\nwlan0\t00000000\t0101A8C0\t0003\n`)).toBe(
    "wlan0",
  );
  expect(outwardOf(heading)).toBeUndefined();
});
