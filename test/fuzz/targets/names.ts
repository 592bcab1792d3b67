/** Names, patterns and searches: texts of strangers that are compared, shown, run as arguments and written as files. */
import { resolve, sep } from "node:path";
import { CommandTemplate } from "../../../src/commands/command-template.ts";
import { UsageError } from "../../../src/errors.ts";
import { decodeCursor, encodeCursor } from "../../../src/index-server/sqlite/search-cursor.ts";
import { hasPattern, lookUpOf, searchTextOf } from "../../../src/index-server/sqlite/search-text.ts";
import { keysOfName, keysOfType, keysOfWords } from "../../../src/index-server/watch-keys.ts";
import { printable } from "../../../src/printable.ts";
import { FolderPlanner } from "../../../src/transfer/folder-plan.ts";
import { fileName, safeName } from "../../../src/wire/file-name.ts";
import { maxNameBytes, maxPageMarkBytes, maxSearchTextBytes } from "../../../src/wire/limits.ts";
import type { ListedFile } from "../../../src/wire/messages.ts";
import { NamePattern } from "../../../src/wire/name-pattern.ts";
import { FoldedName, fold } from "../../../src/wire/search-fold.ts";
import { matchesFolded, matchesSize, rank } from "../../../src/wire/search-match.ts";
import { parseSearch } from "../../../src/wire/search-query.ts";
import { decoded, must, mustBeSame, pure, shapeOf, type Target } from "../target.ts";
import { texts } from "../tricks.ts";
import { partsFit } from "./obvious-pattern.ts";

/** As the decoders of lines let texts through: well-formed, and no longer than they may be. */
function linesOf(input: Uint8Array, maxBytes: number): string[] {
  return Buffer.from(input)
    .toString()
    .toWellFormed()
    .split("\n")
    .filter((line) => Buffer.byteLength(line) <= maxBytes);
}

// --- names ---

const harmful = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\ufeff]/u;

function tryName(name: string): string {
  const shown = printable(name);
  must(!harmful.test(shown) && shown.length <= 200 && shown.isWellFormed(), "it is not printable");
  const legal = fileName(name);
  if (legal === undefined) return "illegal";
  must(!harmful.test(legal) && legal.isWellFormed(), "a legal name is harmful");
  must(resolve("/top", legal).startsWith("/top/"), "a legal name leads out");
  for (const platform of ["linux", "win32"] as const) {
    for (const part of legal.split("/")) {
      const safe = safeName(part, platform);
      if (safe === undefined) continue;
      must(!safe.includes("/") && !safe.includes(sep) && safe !== ".." && safe !== ".", "no part");
      if (platform === "win32") must(!/[<>:"|?*\\]|[. ]$/.test(safe), "not for Windows");
    }
  }
  const argv = decoded(
    () => CommandTemplate.parse("wc -c -- {} x={}").argvFor(legal),
    (error) => error instanceof UsageError,
  );
  if ("message" in argv) mustBeSame("arguments", argv.message, ["wc", "-c", "--", legal, `x=${legal}`]);
  return safeName(legal, "linux") === undefined ? "unsafe" : "fine";
}

function listed(name: string): ListedFile[] {
  const legal = fileName(name);
  return legal === undefined ? [] : [{ name: legal, root: "", sizeBytes: 1, md5: "", total: 0, sources: [] }];
}

/** How file systems see names that tell neither case nor forms apart. */
const lowerCase = (name: string) => name.normalize("NFD").toLowerCase();
const upperCase = (name: string) => name.normalize("NFD").toUpperCase();

/** What lies side by side in a folder has places of its own, whatever the folder takes for one. */
function tryFolder(names: readonly string[]): string {
  const planner = new FolderPlanner("linux");
  const files = names.flatMap(listed);
  planner.add(files);
  const plan = planner.plan();
  const backwards = new FolderPlanner("linux");
  backwards.add(files.toReversed());
  must((plan.clash === undefined) === (backwards.plan().clash === undefined), "a clash depends on the order");
  if (plan.clash !== undefined) return "clash";
  for (const seen of [lowerCase, upperCase]) {
    const places = new Set(plan.files.map(({ name }) => seen(name)));
    must(places.size === plan.files.length, "two files have one place");
  }
  for (const { name } of plan.files) must(!/(^|\/)\./.test(name), "a hidden file");
  return `${Math.min(plan.files.length, 3)} ${Math.min(plan.problems.length, 2)}`;
}

const namesTarget: Target = {
  name: "names",
  maxBytes: 8 * 1024,
  seeds: () => [...texts, "a/Readme\na/README\nb", "caf\u00e9\ncafe\u0301", "a\na/b", "straße/a\nSTRASSE/a"],
  inCheck: 1_500,
  begin: pure((input) => {
    const names = Buffer.from(input).toString().split("\n").slice(0, 50);
    return `${tryName(names[0] ?? "")} ${tryFolder(names)}`;
  }),
};

// --- patterns ---

const patternTarget: Target = {
  name: "name-pattern",
  maxBytes: 4 * 1024,
  seeds: () => [
    "iso/**/*.iso\niso/a.iso",
    "**/a/**/b\na/x/b",
    "*?🎬\nx🎬",
    "*?🎬\n🎬",
    "a/**\na/b/c\na",
    "**/b*/**\na/bc/d/e",
    "dir/\ndir/a",
    "a**z\nabz",
    `${"*a".repeat(500)}b\n${"a".repeat(255)}`,
  ],
  inCheck: 1_500,
  begin: pure((input) => {
    const [text = "", ...names] = linesOf(input, maxNameBytes);
    const pattern = new NamePattern(text);
    const legal = names.slice(0, 4).flatMap(listed);
    const fitting = legal.map(({ name }) => pattern.matches(name));
    return () => {
      const parts = (text.endsWith("/") ? `${text}**` : text).split("/");
      for (const [i, { name }] of legal.entries()) {
        const fits = fitting[i]!;
        must(fits === partsFit(parts, name.split("/")), `${fits} for ${name}`);
        must(!fits || name.startsWith(pattern.prefix), "another beginning");
        must(!fits || !pattern.isName || name === text, "another name");
      }
      return `${fitting.join()} ${parts.length > 3} ${pattern.isName}`;
    };
  }),
};

// --- searches ---

/** What looks names up by words or keys finds every name that fits. */
function trySearch(text: string, names: readonly string[]): string {
  const result = decoded(() => parseSearch(text));
  if ("refusal" in result) return result.refusal;
  const query = result.message;
  for (const condition of [...query.wanted, ...query.unwanted])
    if (condition.kind === "size")
      must(Number.isFinite(condition.minBytes) && Number.isFinite(condition.maxBytes), "a size that is none");
  matchesSize(query, 1_000);
  lookUpOf(query, "at beginnings of words");
  const lookUp = lookUpOf(query, "anywhere");
  const fitting = names.flatMap(listed).map(({ name }) => {
    const folded = new FoldedName(name);
    if (!matchesFolded(query, folded)) return "";
    rank(query, folded);
    const keys = keysOfName(folded);
    for (const key of keysOfWords(query)) must(keys.has(key), `${name} has no key ${key}`);
    const types = keysOfType(query);
    must(types.length === 0 || types.some((key) => keys.has(key)), `${name} has no such ending`);
    const words = searchTextOf(folded).trim().split(" ");
    for (const pattern of lookUp?.patterns ?? [])
      must(
        words.some((word) => hasPattern(word, pattern)),
        `${name} has no word with "${pattern}"`,
      );
    const some = lookUp?.words ?? [];
    must(some.length === 0 || some.some((word) => words.includes(word)), `${name} has none of ${some}`);
    return "fits";
  });
  return `${shapeOf(query).slice(0, 200)} ${fitting.join()}`;
}

const searchTarget: Target = {
  name: "search",
  maxBytes: 4 * 1024,
  seeds: () => [
    "iso -server\niso/a.iso",
    "buntu 24 size:>1G\nubuntu-24.04.iso",
    '"wu tang" type:audio\nWu Tang/C.R.E.A.M.mp3',
    "*.iso peer:10.0.0.5\na.iso",
    "-*x?z size:1..2M\nabc",
    "東京 カ\u3099\n東京タワー",
    "İstanbul straße\nistanbul/STRASSE.txt",
    ...texts.map((text) => `${text}\n${text}`),
  ],
  inCheck: 1_500,
  begin: pure((input) => {
    const [text = "", ...names] = linesOf(input, maxSearchTextBytes);
    const once = fold(text);
    must(fold(once) === once, "it can be folded once more");
    return trySearch(text, names.slice(0, 4));
  }),
};

const cursorTarget: Target = {
  name: "search-cursor",
  maxBytes: 2 * maxPageMarkBytes,
  seeds: () =>
    ["ubuntu", "", "a b"].map(
      (text) =>
        `${encodeCursor({ stage: 1, indexedTo: 90, after: { group: 0, entry: 17 }, upTo: { group: 5, entry: 99 }, position: 3 }, text)}\n${text}`,
    ),
  inCheck: 1_000,
  begin: pure((input) => {
    const [mark = "", text = ""] = linesOf(input, maxPageMarkBytes);
    const result = decoded(() => decodeCursor(mark, text));
    if ("refusal" in result) return result.refusal;
    mustBeSame(
      "it comes back as another one",
      decodeCursor(encodeCursor(result.message, text), text),
      result.message,
    );
    must("refusal" in decoded(() => decodeCursor(mark, `${text}x`)), "it is of another search as well");
    return shapeOf(result.message);
  }),
};

export const nameTargets: readonly Target[] = [namesTarget, patternTarget, searchTarget, cursorTarget];
