/**
 * What the value of an option can be: how each kind is read from text and written for the help. Which options
 * there are, and where their texts come from, does not belong here.
 */

import { type Address, formatAddress, isHost, parseAddress } from "../address.ts";
import { loopbackHost } from "../config.ts";
import { AddressRange, rangeExpected } from "../net/cidr.ts";
import { parseIpAddress } from "../net/ip-address.ts";
import { type NetworkName, networkName as parseNetworkName } from "../trust/stored-network.ts";

/** Reads and shows one kind of value. `parse` answers undefined for what is none; `expected` says what is one. */
export interface Kind<Value> {
  /** Stands for the value in the help: `--port=<PORT>`. */
  readonly hint: string;
  /** Completes "bad value …: expected …". */
  readonly expected: string;
  parse(text: string): Value | undefined;
  show(value: Value): string;
}

/** Any text but the empty one. */
export function text(hint: string): Kind<string> {
  return {
    hint,
    expected: "a text that is not empty",
    parse: (given) => (given === "" ? undefined : given),
    show: (value) => value,
  };
}

export const truth: Kind<boolean> = {
  hint: "BOOLEAN",
  expected: "1, 0, true or false",
  parse: (given) => truthValues.get(given.toLowerCase()),
  show: String,
};

const truthValues = new Map([
  ["1", true],
  ["true", true],
  ["0", false],
  ["false", false],
]);

/** A whole number from `min` to `max`. */
export function integer(range: { min: number; max: number }, hint = "N"): Kind<number> {
  return {
    hint,
    expected: `a whole number from ${range.min} to ${range.max}`,
    parse: (given) => (/^\d{1,15}$/.test(given) ? within(Number(given), range) : undefined),
    show: String,
  };
}

/** A port to listen on; 0 means any free one. */
export const port: Kind<number> = {
  ...integer({ min: 0, max: 65_535 }, "PORT"),
  expected: "a port from 0 to 65535",
};

/** The longest that a timer of the platform can wait, rounded down to whole days. */
const maxSeconds = 24 * 86_400;

/** A time in seconds, with decimals if need be, more than `moreThan`. */
export function seconds(moreThan?: number): Kind<number> {
  return {
    hint: "SECONDS",
    expected: `a number of seconds${moreThan === undefined ? "" : ` above ${moreThan}`}, at most ${maxSeconds}`,
    parse: (given) => {
      if (!/^\d{1,9}(\.\d{1,6})?$/.test(given)) return undefined;
      const value = Number(given);
      return moreThan !== undefined && value <= moreThan
        ? undefined
        : within(value, { min: 0, max: maxSeconds });
    },
    show: String,
  };
}

/**
 * A number of bytes: `4194304`, `500k`, `4M`, `4MiB`, `4MB`. As in aria2, curl and rclone a bare letter and `KiB`,
 * `MiB` … are powers of 1024; `kB`, `MB` … are powers of 1000.
 */
export function bytes(limits: { min: number; max: number; multipleOf?: number }): Kind<number> {
  const { multipleOf = 1 } = limits;
  const steps = multipleOf === 1 ? "" : ` in steps of ${showBytes(multipleOf)}`;
  return {
    hint: "SIZE",
    expected: `a size from ${showBytes(limits.min)} to ${showBytes(limits.max)}${steps}`,
    parse: (given) => {
      const value = parseBytes(given);
      return value === undefined || value % multipleOf !== 0 ? undefined : within(value, limits);
    },
    show: showBytes,
  };
}

/** Bytes a second, at least 1 KiB; `off` is infinite. */
export const rate: Kind<number> = {
  hint: "RATE",
  expected: "bytes a second such as 500k or 5M, at least 1k, or off",
  parse: (given) => {
    if (given.toLowerCase() === "off") return Number.POSITIVE_INFINITY;
    const value = parseBytes(given.replace(/\/s$/i, ""));
    return value === undefined ? undefined : within(value, { min: 1024, max: Number.MAX_SAFE_INTEGER });
  },
  show: (value) => (Number.isFinite(value) ? showBytes(value) : "off"),
};

const secondsIn = new Map([
  ["", 1],
  ["s", 1],
  ["m", 60],
  ["h", 3_600],
  ["d", 86_400],
]);

/** A time in seconds, with a unit if need be: `90`, `90s`, `10m`, `2h`, `1d`. */
export const duration: Kind<number> = {
  hint: "TIME",
  expected: `a time such as 90, 90s, 10m, 2h or 1d, at most ${maxSeconds / 86_400}d`,
  parse: (given) => {
    const match = /^(\d{1,9}(?:\.\d{1,6})?)([smhd]?)$/i.exec(given);
    if (match === null) return undefined;
    const value = Number(match[1]) * (secondsIn.get(match[2]?.toLowerCase() ?? "") ?? Number.NaN);
    return within(value, { min: 0, max: maxSeconds });
  },
  show: String,
};

/** A time to wait; also `true` for the longest and `false` for none: `peer` has a switch of the same name. */
export const patience: Kind<number> = {
  ...duration,
  parse: (given) => {
    const word = given.toLowerCase();
    return word === "true" ? maxSeconds : word === "false" ? 0 : duration.parse(given);
  },
};

const unitPowers = ["", "k", "m", "g", "t"];

function parseBytes(given: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(?:([kmgt])(i?b|i)?|b)?$/i.exec(given);
  if (match === null) return undefined;
  const unit = match[2]?.toLowerCase() ?? "";
  const base = match[3]?.toLowerCase() === "b" ? 1000 : 1024;
  const value = Number(match[1]) * base ** unitPowers.indexOf(unit);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The shortest exact writing with binary suffixes, which `parseBytes` reads back. */
function showBytes(value: number): string {
  const suffixes = ["", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  while (power < suffixes.length - 1 && value > 0 && value % 1024 ** (power + 1) === 0) power++;
  return `${value / 1024 ** power}${suffixes[power]}`;
}

/** A name or literal address to listen on; brackets around an IPv6 address are dropped. */
export const host: Kind<string> = {
  hint: "HOST",
  expected: "a host name or an address such as 127.0.0.1 or ::1",
  parse: (given) => {
    const bare = /^\[(.*)\]$/.exec(given)?.[1] ?? given;
    return isHost(bare) ? bare : undefined;
  },
  show: (value) => value,
};

/** `HOST:PORT` of something to connect to. */
export const address: Kind<Address> = {
  hint: "HOST:PORT",
  expected: "HOST:PORT such as 127.0.0.1:7766 or [::1]:7766",
  parse: (given) => {
    const found = parseAddress(given);
    return found?.port === 0 ? undefined : found;
  },
  show: formatAddress,
};

/** `PORT` or `HOST:PORT` of something to listen on, on this machine alone unless a host is named; port 0: any free one. */
export const listenAddress: Kind<Address> = {
  hint: "PORT",
  expected: "PORT or HOST:PORT such as 9100 or 10.0.0.5:9100",
  parse: (given) => parseAddress(/^\d+$/.test(given) ? `${loopbackHost}:${given}` : given),
  show: formatAddress,
};

/** `IP` or `IP:PORT`; port 0 where none is said. A name would have to be looked up by whoever is told of it. */
export const literalAddress: Kind<Address> = {
  hint: "IP[:PORT]",
  expected: "an IP address such as 203.0.113.9, 203.0.113.9:7767 or [2001:db8::9]:7767",
  parse: (given) => {
    const isAlone = parseIpAddress(given) !== undefined;
    const found = isAlone ? { host: given, port: 0 } : parseAddress(given);
    return found === undefined || parseIpAddress(found.host) === undefined ? undefined : found;
  },
  show: formatAddress,
};

/** An address, or a network of them. */
export const addressRange: Kind<AddressRange> = {
  hint: "NETWORK",
  expected: rangeExpected,
  parse: (given) => AddressRange.parse(given),
  show: (value) => value.text,
};

/** At least four hex digits, at most a whole root, in any case; lower case from here on. */
export const rootPrefix: Kind<string> = {
  hint: "PREFIX",
  expected: "4 to 64 hex digits",
  parse: (given) => (/^[0-9a-f]{4,64}$/i.test(given) ? given.toLowerCase() : undefined),
  show: (value) => value,
};

export const networkName: Kind<NetworkName> = {
  hint: "NAME",
  expected: "1 to 32 of a-z, 0-9, - and _, with a letter or digit first",
  parse: parseNetworkName,
  show: (value) => value,
};

function within(value: number, range: { min: number; max: number }): number | undefined {
  return value >= range.min && value <= range.max ? value : undefined;
}
