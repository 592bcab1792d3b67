import { expect, test } from "bun:test";
import { checkOpen } from "../../src/commands/shared-args.ts";
import { UsageError } from "../../src/errors.ts";

test.each([
  "127.0.0.1",
  "127.255.0.9",
  "localhost",
  "LOCALHOST",
  "::1",
  "0:0:0:0:0:0:0:1",
  "::ffff:127.0.0.1",
])("%s is this machine alone", (host) => checkOpen(host, false));

test.each([
  "0.0.0.0",
  "::",
  "::2",
  "10.0.0.5",
  "example.org",
  "127.0.0.1.example.org",
  "1",
  "fe80::1",
  "::ffff:10.0.0.1",
])("%s needs a private network, or --open", (host) => {
  expect(() => checkOpen(host, false)).toThrow(UsageError);
  expect(() => checkOpen(host, false)).toThrow("--open");
  expect(() => checkOpen(host, false)).toThrow("p2p join");
  checkOpen(host, true);
});
