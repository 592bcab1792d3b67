/** What the user of a machine, or a script, hands over: the config file, the words after a verb, a line at the prompt. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { declaration as peer } from "../../../src/commands/peer.ts";
import { declaration as query } from "../../../src/commands/query.ts";
import { declaration as search } from "../../../src/commands/search.ts";
import { declaration as serveIndex } from "../../../src/commands/serve-index.ts";
import { readConfigFile } from "../../../src/config.ts";
import { LocalIoError, UsageError } from "../../../src/errors.ts";
import * as kinds from "../../../src/options/kinds.ts";
import type { Declaration } from "../../../src/options/options.ts";
import { checkConfig, resolveOptions, wantsJson } from "../../../src/options/resolve.ts";
import { parsePromptLine } from "../../../src/prompt/parse.ts";
import { fingerprintOfTls } from "../../../src/trust/fingerprint.ts";
import { parseToken } from "../../../src/trust/token.ts";
import { fingerprint } from "../../../src/wire/fingerprint.ts";
import { decoded, must, mustBeSame, pure, shapeOf, type Target } from "../target.ts";
import { texts } from "../tricks.ts";

const isUsage = (error: unknown) => error instanceof UsageError;
const isForPeople = (error: unknown) => error instanceof UsageError || error instanceof LocalIoError;
const declarations: readonly Declaration[] = [peer, query, search, serveIndex];

const configFile: Target = {
  name: "config-file",
  maxBytes: 64 * 1024,
  seeds: () => [
    'index = ["127.0.0.1:7766", "[::1]:2"]\njson = true\ntimeout = 2.5\n[peer]\nport = 1\nno-prompt = true\n',
    "[query]\nchunk-size = '4MiB'\nthreads = 2\n[serve-index]\ndb = \":memory:\"\n",
    "a.b.c = [{x = 1979-05-27T07:32:00Z}]\n[[a]]\n\"\\u00e9\" = '''\n'''\n",
  ],
  inCheck: 400,
  leastMs: 50,
  begin: () => {
    const folder = mkdtempSync(join(tmpdir(), "p2p-fuzz-"));
    const path = join(folder, "config.toml");
    return {
      run: (input) => {
        writeFileSync(path, input);
        const read = decoded(() => {
          const config = readConfigFile(path);
          if (config === undefined) throw new Error("the file is there");
          checkConfig(config, declarations);
          wantsJson({ argv: ["peer"], environment: {}, config });
          return declarations.map((each) => {
            const argv = each === query || each === search ? ["x"] : [];
            return resolveOptions(each, { argv, environment: {}, config });
          });
        }, isForPeople);
        return "message" in read ? shapeOf(read.message).slice(0, 300) : read.refusal;
      },
      end: () => rmSync(folder, { recursive: true, force: true }),
    };
  },
};

const commandLine: Target = {
  name: "command-line",
  maxBytes: 8 * 1024,
  seeds: () => [
    "query\0a.iso\0-o\0b\0--timeout=3\0--json",
    "query\0--\0-rf",
    "peer\0./shared\0--index\0[::1]:7766\0--no-prompt",
    "search\0iso\0-server\0--root=abcd",
    ["serve-index", "--host", "::", "--http", "9100"].join("\0"),
    ...texts.map((text) => `query\0${text}`),
  ],
  inCheck: 800,
  begin: pure((input) => {
    const [verb = "", ...argv] = Buffer.from(input).toString().split("\0");
    const declaration = declarations.find((each) => each.verb === verb) ?? query;
    const read = decoded(
      () => resolveOptions(declaration, { argv, environment: {}, config: undefined }),
      isUsage,
    );
    return "message" in read ? shapeOf(read.message).slice(0, 300) : read.refusal;
  }),
};

const promptLine: Target = {
  name: "prompt-line",
  maxBytes: 8 * 1024,
  seeds: () => [
    "QUERY a b.iso",
    "search iso -x",
    "WAIT 1.5",
    "LIMIT up 5M",
    "limit down off",
    "ls a/b",
    "EXIT",
    ...texts,
  ],
  inCheck: 800,
  begin: pure((input) => {
    const read = decoded(() => parsePromptLine(Buffer.from(input).toString()), isUsage);
    return "message" in read ? shapeOf(read.message) : read.refusal;
  }),
};

/** A value of an option is shown as it can be typed. */
const optionKinds: Target = {
  name: "option-kinds",
  maxBytes: 1024,
  seeds: () => [
    "4MiB",
    "500k",
    "1.5",
    "10m",
    "off",
    "127.0.0.1:7766",
    "[fe80::1%eth0]:1",
    "::1",
    "9100",
    "abcdef12",
    "true",
    ...texts,
  ],
  inCheck: 800,
  begin: pure((input) => {
    const text = Buffer.from(input).toString();
    const bytes = kinds.bytes({ min: 0, max: 2 ** 40 });
    const all = [
      kinds.truth,
      kinds.port,
      kinds.seconds(0),
      bytes,
      kinds.rate,
      kinds.host,
      kinds.address,
      kinds.listenAddress,
      kinds.rootPrefix,
    ];
    const words = all.map((kind) => {
      const value = kind.parse(text);
      if (value === undefined) return "";
      const show = kind.show as (value: unknown) => string;
      mustBeSame("it is read as another one", kind.parse(show(value)), value);
      return typeof value;
    });
    return words.join();
  }),
};

/** What is wrong with a token is told without the token. */
const tokens: Target = {
  name: "token",
  maxBytes: 1024,
  seeds: () => [
    "example-token-0123456789",
    "a".repeat(128),
    "f".repeat(64),
    Array(32).fill("AB").join(":"),
    ...texts,
  ],
  inCheck: 800,
  begin: pure((input) => {
    const text = Buffer.from(input).toString();
    for (const own of [fingerprint(text), fingerprintOfTls(text)])
      must(own === undefined || /^[0-9a-f]{64}$/.test(own), "no fingerprint");
    const read = decoded(() => parseToken(text, "the token"), isUsage);
    if ("message" in read) {
      mustBeSame("another token", read.message.reveal(), text);
      return "token";
    }
    must(text.length < 6 || !read.refusal.includes(text), "the error repeats it");
    return read.refusal;
  }),
};

export const settingsTargets: readonly Target[] = [configFile, commandLine, promptLine, optionKinds, tokens];
