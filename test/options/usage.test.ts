import { describe, expect, test } from "bun:test";
import { declaration as indexDatabase } from "../../src/commands/index-database.ts";
import { declaration as ls } from "../../src/commands/ls.ts";
import { declaration as peer } from "../../src/commands/peer.ts";
import { declaration as peers } from "../../src/commands/peers.ts";
import { declaration as query } from "../../src/commands/query.ts";
import { declaration as search } from "../../src/commands/search.ts";
import { declaration as serveIndex } from "../../src/commands/serve-index.ts";
import { declaration as stats } from "../../src/commands/stats.ts";
import { declaration as watch } from "../../src/commands/watch.ts";
import { asksForHelp } from "../../src/options/arguments.ts";
import { nearest } from "../../src/options/nearest.ts";
import { spelling, variableOf } from "../../src/options/options.ts";
import { programUsage, verbUsage, wrapHanging } from "../../src/options/usage.ts";

const all = [serveIndex, peer, query, search, ls, watch, peers, stats, indexDatabase];

describe.each(all.map((declaration) => [declaration.verb, declaration] as const))(
  "help of %s",
  (_verb, declaration) => {
    test("shows every option with its default and its variable", async () => {
      const words = (await verbUsage(declaration, 400)).replaceAll(/\s+/g, " ");
      for (const option of Object.values(declaration.options)) {
        expect(words).toContain(`--${spelling(option)}`);
        expect(words).toContain(
          `[${variableOf(spelling(option))}] (Default: ${option.isBoolean ? "off" : option.fallbackText})`,
        );
      }
    });

    test.each([60, 80, 120])("fits into %d columns, without colours", async (columns) => {
      const text = await verbUsage(declaration, columns);
      expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(columns);
      expect(text).not.toContain("\u001b");
      expect(text).not.toContain("\u00a0");
    });
  },
);

test("the defaults people look for", async () => {
  const said = async (declaration: (typeof all)[number]) => await verbUsage(declaration, 80);
  for (const word of ["7766", "127.0.0.1", "index.db"]) expect(await said(serveIndex)).toContain(word);
  for (const word of ["7767", "127.0.0.1:7766", "./shared"]) expect(await said(peer)).toContain(word);
});

test("the help of the program names every verb", async () => {
  const text = await programUsage(all, "9.8.7", 80);
  for (const { verb, summary } of all) expect(text.replaceAll(/\s+/g, " ")).toContain(`${verb} ${summary}`);
  expect(text).toContain("9.8.7");
});

test("help wins over mistakes, but is a word after --", () => {
  expect(asksForHelp(query, ["--bogus", "-h"])).toBe(true);
  expect(asksForHelp(query, ["x", "--", "--help"])).toBe(false);
});

test.each([
  ["prot", "port"],
  ["serve-idnex", "serve-index"],
  ["ser", "serve-index"],
  ["QUERY", "query"],
  ["bogus", undefined],
  ["x", undefined],
  ["", undefined],
  ["p".repeat(5000), undefined],
])("the nearest of %p is %p", (given, expected) => {
  expect(nearest(given, ["port", "serve-index", "query", "search", "host"])).toBe(expected);
});

test("folded lines hang under their second column", () => {
  expect(wrapHanging("  --a    one two three", 15)).toEqual([
    "  --a    one",
    "         two",
    "         three",
  ]);
  expect(wrapHanging("plain words here", 11)).toEqual(["plain words", "here"]);
  expect(wrapHanging("unbreakableword", 5)).toEqual(["unbreakableword"]);
});
