/** Addresses, networks and ports: read by us as the platform reads them, in every place where they are read. */
import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";
import { formatAddress, parseAddress } from "../../../src/address.ts";
import { AddressRange } from "../../../src/net/cidr.ts";
import { parseIpAddress } from "../../../src/net/ip-address.ts";
import { mayBeSource } from "../../../src/net/source-addresses.ts";
import { decodeIndexRequest } from "../../../src/wire/decode-index-request.ts";
import { claimedType } from "../../../src/wire/json.ts";
import { maxIndexLineBytes } from "../../../src/wire/limits.ts";
import { registerHead } from "../../../src/wire/register-head.ts";
import { decoded, must, mustBeSame, pure, shapeOf, type Target } from "../target.ts";
import { protocolLines } from "./lines.ts";

const addresses = [
  "127.0.0.1",
  "10.0.0.5",
  "::1",
  "::ffff:10.0.0.5",
  "fe80::1%eth0",
  "2001:db8::",
  "1:2:3:4:5:6:7:8",
  "::1.2.3.4",
  "169.254.169.254",
];

/** What reaches no further than this machine or its network, as the platform's own lists see it. */
const own = new BlockList();
for (const [network, bits] of [
  ["127.0.0.0", 8],
  ["10.0.0.0", 8],
  ["169.254.0.0", 16],
  ["0.0.0.0", 8],
  ["224.0.0.0", 4],
] as const)
  own.addSubnet(network, bits, "ipv4");
for (const [network, bits] of [
  ["::1", 128],
  ["fe80::", 10],
  ["fc00::", 7],
  ["ff00::", 8],
  ["::", 128],
] as const)
  own.addSubnet(network, bits, "ipv6");

const familyOf = (text: string) => (isIPv4(text) ? "ipv4" : "ipv6");

function tryAddress(text: string, other: string): string {
  const bare = text.replace(/%[^%]+$/, "");
  if (bare.includes("%")) return "zones";
  const ours = parseIpAddress(bare);
  must(
    (ours !== undefined) === (isIP(bare) !== 0),
    `an address only to ${ours === undefined ? "the platform" : "us"}`,
  );
  const reached = parseAddress(text);
  if (reached !== undefined) mustBeSame("another address", parseAddress(formatAddress(reached)), reached);
  if (mayBeSource(bare, "8.8.8.8")) {
    must(isIP(bare) !== 0, "a source at no address");
    must(!own.check(bare, familyOf(bare)), `a source of our own at ${bare}`);
  }
  const range = AddressRange.parse(text);
  if (range === undefined) return `${ours?.bits} ${reached !== undefined}`;
  must(AddressRange.parse(range.text)?.isSame(range) === true, "another network");
  const inside = parseIpAddress(other);
  const [network = "", bits] = text.split("/");
  // What is mapped is compared as IPv4 by us, and by the platform in its own ways.
  if (
    inside !== undefined &&
    !/ffff/i.test(text + other) &&
    !other.includes("%") &&
    isIPv6(network) === isIPv6(other)
  ) {
    const list = new BlockList();
    list.addSubnet(network, Number(bits ?? inside.bits), familyOf(network));
    must(range.contains(inside) === list.check(other, familyOf(other)), `${other} in ${text}`);
  }
  return `range ${inside !== undefined && range.contains(inside)}`;
}

const addressTarget: Target = {
  name: "address",
  maxBytes: 512,
  seeds: () => [
    ...addresses,
    ...addresses.map((each) => `${each}/8\n10.1.2.3`),
    "10.0.0.0/8\n10.1.2.3",
    "2001:db8::/32\n2001:db8::5",
    "[::1]:7766",
    "a.example:1",
  ],
  inCheck: 1_000,
  begin: pure((input) => {
    const [text = "", other = ""] = Buffer.from(input).toString().split("\n");
    return tryAddress(text, other);
  }),
};

/** What is read from the head of a REGISTER is what all of it says. */
const registerTarget: Target = {
  name: "register-head",
  maxBytes: maxIndexLineBytes,
  seeds: () => [
    ...protocolLines.filter((line) => line.startsWith('{"type":"REGISTER"')),
    '{"type":"REGISTER","id":1,"port":7767,"files":[],"port":1}',
    '{"type":"REGISTER","id":1,"port":7767,"files":[],"\\u0070ort":1}',
    '{"type":"REGISTER","id":1,"port":7767,"host":"10.0.0.5","files":[],"host":"::1"}',
    '{"type":"REGISTER","id":1,"port":65536,"files":[]}',
  ],
  inCheck: 1_000,
  begin: pure((input) => {
    const head = decoded(() => registerHead(input));
    const claimed = claimedType(input);
    return () => {
      const whole = decoded(() => decodeIndexRequest(input));
      if (!("message" in whole) || whole.message.type !== "REGISTER")
        return `${claimed} ${"message" in head}`;
      // Only the head has a host, and may be refused for it.
      if (!("message" in head))
        must(/host|\\u/.test(Buffer.from(input).toString()), "only its head is refused");
      else {
        must(head.message.port === whole.message.port, "another port");
        // Whether it is an address, the networks tell that an index lets be advertised.
        must(/^[0-9a-f.:]*$/i.test(head.message.host ?? ""), `the host ${head.message.host}`);
      }
      return `${claimed} ${shapeOf(whole.message)} ${"message" in head}`;
    };
  }),
};

export const addressTargets: readonly Target[] = [addressTarget, registerTarget];
