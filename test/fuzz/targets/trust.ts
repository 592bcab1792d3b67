/** What decides who is believed: links, files of networks and tokens, bans; and that no secret comes out of them. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalIoError, UsageError } from "../../../src/errors.ts";
import { readBans } from "../../../src/net/ban-file.ts";
import { banText, isSameBan, parseBan } from "../../../src/net/ban-list.ts";
import { neverShow, redacted } from "../../../src/redaction.ts";
import { readTokenFile } from "../../../src/trust/given-token.ts";
import { formatJoinLink, parseJoinLink } from "../../../src/trust/join-link.ts";
import { NetworkStore } from "../../../src/trust/network-store.ts";
import { Secret } from "../../../src/trust/secret.ts";
import {
  decodeStoredNetwork,
  defaultNetworkName,
  encodeStoredNetwork,
  linksOf,
  merged,
  networkName,
} from "../../../src/trust/stored-network.ts";
import { parseToken } from "../../../src/trust/token.ts";
import { fingerprint } from "../../../src/wire/fingerprint.ts";
import { decoded, must, mustBeSame, pure, type Running, shapeOf, type Target } from "../target.ts";
import { texts } from "../tricks.ts";

const isUsage = (error: unknown) => error instanceof UsageError;
const isForPeople = (error: unknown) => error instanceof UsageError || error instanceof LocalIoError;

const token = "example-token-0123456789";
const index = fingerprint("d".repeat(64))!;
const addresses = [
  { host: "10.0.0.5", port: 7766 },
  { host: "2001:db8::1", port: 1 },
  { host: "index.example", port: 65_535 },
];
const link = formatJoinLink({ addresses, token: new Secret(token), fingerprint: index });

/** No word of what was handed over is in what is told of it. */
function refusedWithout(refusal: string, text: string): string {
  for (const word of text.split(/[\s.,/#:"{}]+/))
    must(word.length < 12 || !refusal.includes(word.slice(0, 12)), `the error repeats ${word}`);
  return refusal;
}

function tryLink(text: string): string {
  const result = decoded(() => parseJoinLink(text), isUsage);
  if ("refusal" in result) return refusedWithout(result.refusal, text);
  mustBeSame("another link", formatJoinLink(result.message), text);
  must(
    result.message.addresses.every(({ port }) => port > 0 && port < 65_536),
    "no port",
  );
  must(/^[A-Za-z0-9_-]{22,128}$/.test(result.message.token.reveal()), "no token");
  must(!JSON.stringify(result.message).includes(result.message.token.reveal()), "the token shows");
  return shapeOf(result.message.addresses);
}

/** As it is, and with the check that it would need: so that what is behind that is reached. */
const joinLink: Target = {
  name: "join-link",
  maxBytes: 16 * 1024,
  seeds: () => [link, link.slice(0, link.lastIndexOf(".")), ...texts],
  inCheck: 800,
  begin: pure((input) => {
    const text = Buffer.from(input).toString();
    const whole = text.slice(0, Math.max(0, text.lastIndexOf(".")));
    const check = createHash("sha256").update(`p2p-link-v1\0${whole}`).digest("base64url").slice(0, 6);
    return `${tryLink(text)} ${tryLink(`${whole}.${check}`)}`;
  }),
};

const stored = Buffer.from(
  encodeStoredNetwork({
    token: new Secret(token),
    indexes: addresses.map((each) => ({ ...each, fingerprint: index })),
  }),
);

const storedNetwork: Target = {
  name: "stored-network",
  maxBytes: 64 * 1024,
  seeds: () => [stored],
  inCheck: 800,
  begin: pure((input) => {
    const network = decodeStoredNetwork(input);
    if (network === undefined) return "none";
    mustBeSame("another network", decodeStoredNetwork(encodeStoredNetwork(network)), network);
    const again = merged(network, network);
    mustBeSame("merged with itself", again.indexes, network.indexes);
    // A link is written in one way, and some hosts of a file in none.
    for (const each of linksOf(network)) decoded(() => parseJoinLink(formatJoinLink(each)), isUsage);
    return shapeOf(network.indexes);
  }),
};

/** A folder of its own, with what was given as a file in it. */
function asFile(name: string, use: (folder: string, path: string, text: string) => string): Target["begin"] {
  return (): Running => {
    const folder = mkdtempSync(join(tmpdir(), "p2p-fuzz-"));
    const path = join(folder, name);
    mkdirSync(join(folder, "networks"));
    return {
      run: (input) => {
        writeFileSync(path, input, { mode: 0o600 });
        return use(folder, path, Buffer.from(input).toString());
      },
      end: () => rmSync(folder, { recursive: true, force: true }),
    };
  };
}

const networkFile: Target = {
  name: "network-file",
  maxBytes: 128 * 1024,
  seeds: () => [stored],
  inCheck: 200,
  leastMs: 50,
  begin: asFile("networks/default.json", (folder, _path, text) => {
    const store = new NetworkStore(folder);
    const result = decoded(() => store.read(defaultNetworkName), isForPeople);
    return "message" in result ? shapeOf(result.message?.indexes) : refusedWithout(result.refusal, text);
  }),
};

const tokenFile: Target = {
  name: "token-file",
  maxBytes: 8 * 1024,
  seeds: () => [token, `${token}\n`, `${token}\r\n`, ...texts],
  inCheck: 200,
  leastMs: 50,
  begin: asFile("token", (_folder, path, text) => {
    const result = decoded(() => readTokenFile(path), isUsage);
    if ("refusal" in result) return refusedWithout(result.refusal.replaceAll(path, ""), text);
    mustBeSame("another token", result.message.reveal(), text.replace(/\r?\n$/, ""));
    return "token";
  }),
};

const banFile: Target = {
  name: "ban-file",
  maxBytes: 64 * 1024,
  seeds: () => [
    JSON.stringify({ bans: ["10.0.0.0/8", "deadbeef", "::1", "2001:db8::/32", "::ffff:10.0.0.5"] }),
    '{"bans":[]}',
  ],
  inCheck: 200,
  leastMs: 50,
  begin: asFile("bans.json", (_folder, path) => {
    const result = decoded(() => readBans(path), isForPeople);
    if ("refusal" in result) return result.refusal;
    for (const text of result.message) {
      const ban = parseBan(text);
      must(ban !== undefined && isSameBan(parseBan(banText(ban))!, ban), `the ban ${text}`);
    }
    return shapeOf(result.message);
  }),
};

/** What is told has no secret in it, in whatever form that got there. */
const redaction: Target = {
  name: "redaction",
  maxBytes: 16 * 1024,
  seeds: () => [
    link,
    token,
    "postgres://user:pass@host/x",
    `a ${Buffer.from(token).toString("base64")} b`,
    "a.a-a+a://".repeat(50),
    ...texts,
  ],
  inCheck: 500,
  begin: () => {
    neverShow(token);
    const [hex, base64] = [Buffer.from(token).toString("hex"), Buffer.from(token).toString("base64url")];
    return {
      run: (input) => {
        const text = Buffer.from(input).toString();
        const shown = redacted(text);
        for (const form of [token, hex, hex.toUpperCase(), base64, JSON.stringify(token).slice(1, -1)])
          must(!shown.includes(form), "a secret shows");
        return `${shown.length < text.length} ${shown.includes("[secret]")}`;
      },
      end: () => {},
    };
  },
};

const networkNames: Target = {
  name: "network-name",
  maxBytes: 256,
  seeds: () => ["default", "office-2", ...texts],
  inCheck: 500,
  begin: pure((input) => {
    const text = Buffer.from(input).toString();
    const name = networkName(text);
    if (name === undefined) return "none";
    must(
      /^[a-z0-9_-]{1,32}$/.test(name) && !/^(con|nul|aux|prn|com\d|lpt\d)$/.test(name),
      `the name ${name}`,
    );
    must("message" in decoded(() => parseToken(token, "it")), "the token");
    return "name";
  }),
};

export const trustTargets: readonly Target[] = [
  joinLink,
  storedNetwork,
  networkFile,
  tokenFile,
  banFile,
  redaction,
  networkNames,
];
