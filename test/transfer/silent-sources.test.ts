import { expect, test } from "bun:test";
import { SilentSources } from "../../src/transfer/silent-sources.ts";

const usuallyMs = 30_000;

function file(hosts: string[], total = hosts.length) {
  return { total, sources: hosts.map((host) => ({ peer: host, host, port: 1, partial: false })) };
}

function delivered(host: string, bytes: number) {
  return [{ host, port: 1, bytes }];
}

test("who was waited for in vain is not waited for as long again", () => {
  const silent = new SilentSources(usuallyMs);
  silent.onFailed(file(["a", "b"]), usuallyMs);
  for (const hosts of [["a"], ["b"], ["a", "b"]]) expect(silent.timeoutFor(file(hosts))).toBe(2_000);
});

test("as long as ever: for others, for who may have others, and when nobody is known", () => {
  const silent = new SilentSources(usuallyMs);
  silent.onFailed(file(["a"]), usuallyMs);
  for (const each of [file(["c"]), file(["a", "c"]), file(["a"], 2), file([])])
    expect(silent.timeoutFor(each)).toBe(usuallyMs);
});

test("a failure before the timeout says nothing of that kind", () => {
  const silent = new SilentSources(usuallyMs);
  silent.onFailed(file(["a"]), 20);
  expect(silent.timeoutFor(file(["a"]))).toBe(usuallyMs);
});

test("who delivers is silent no more; who was only known is", () => {
  const silent = new SilentSources(usuallyMs);
  silent.onFailed(file(["a"]), usuallyMs);
  silent.onFetched(delivered("a", 0));
  expect(silent.timeoutFor(file(["a"]))).toBe(2_000);
  silent.onFetched(delivered("a", 1));
  expect(silent.timeoutFor(file(["a"]))).toBe(usuallyMs);
});

test("a shorter timeout of the user's stays", () => {
  const silent = new SilentSources(500);
  silent.onFailed(file(["a"]), 500);
  expect(silent.timeoutFor(file(["a"]))).toBe(500);
});
