/** BROWSE: the children of a folder, against a model that looks at every name. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { browse, type NameSource } from "../../src/index-server/browse.ts";
import type { FolderPage } from "../../src/index-server/catalog.ts";

/** Names, and for each how many contents live peers have under it (0: a name nobody has any more). */
class Names implements NameSource {
  private readonly sorted: string[];
  asked = 0;

  constructor(private readonly contents: ReadonlyMap<string, number>) {
    this.sorted = [...contents.keys()].sort(byBytes);
  }

  firstFrom(bound: string): string | undefined {
    this.asked++;
    return this.sorted.find((name) => byBytes(name, bound) >= 0);
  }

  firstAfter(bound: string): string | undefined {
    this.asked++;
    return this.sorted.find((name) => byBytes(name, bound) > 0);
  }

  isThere(name: string): boolean {
    this.asked++;
    return this.contents.get(name)! > 0;
  }

  *filesOf(name: string) {
    return Array.from({ length: this.contents.get(name) ?? 0 }, (_, i) => {
      return { sizeBytes: i, md5: "m", root: `${name} ${i}`, sources: 9 - i };
    });
  }
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function page(names: NameSource, folder: string, after = "", limit = 1_000): FolderPage & { rests: number } {
  const steps = browse(names, folder, after, limit);
  for (let rests = 0; ; rests++) {
    const step = steps.next();
    if (step.done) return { ...step.value, rests };
  }
}

/** A folder with its `/`. */
function shown({ entries }: FolderPage): string[] {
  return entries.map((entry) => (entry.folder ? `${entry.name}/` : entry.name));
}

function all(...names: string[]): Names {
  return new Names(new Map(names.map((name) => [name, 1])));
}

describe("a folder", () => {
  test("has files and folders in the order of their bytes, and nothing from below or beside it", () => {
    const names = all("b", "a/x", "a/y/z", "a", "c/d", "é", "\u{1f3ac}", "\uffee");
    expect(shown(page(names, ""))).toEqual(["a/", "a", "b", "c/", "é", "\uffee", "\u{1f3ac}"]);
    expect(shown(page(names, "a"))).toEqual(["x", "y/"]);
    expect(shown(page(names, "a/y"))).toEqual(["z"]);
    for (const none of ["b", "x", "a/", "/", "a//y", ".."]) expect(shown(page(names, none))).toEqual([]);
  });

  test("comes before names that go on after its own, though what is in it comes later", () => {
    const names = all("a-b", "a b/x", "a.txt", "a/x", "a!", "a-b/y", "a0");
    expect(shown(page(names, ""))).toEqual(
      ["a/", "a b/", "a!", "a-b/", "a-b", "a.txt", "a0"].sort(byBytesOfChild),
    );
  });

  test("is not there when nobody has anything in it any more", () => {
    const names = new Names(
      new Map([
        ["a/gone", 0],
        ["b/gone", 0],
        ["b/there", 1],
        ["c", 0],
        ["d", 2],
      ]),
    );
    const { entries } = page(names, "");
    expect(shown({ entries, next: undefined })).toEqual(["b/", "d", "d"]);
    expect(entries.slice(1)).toMatchObject([
      { root: "d 0", sources: 9 },
      { root: "d 1", sources: 8 },
    ]);
  });
});

function byBytesOfChild(a: string, b: string): number {
  return byBytes(a.replace("/", ""), b.replace("/", "")) || (a.endsWith("/") ? -1 : 1);
}

describe("work", () => {
  test("does not grow with what is below", () => {
    const below = (count: number) =>
      all(...Array.from({ length: count }, (_, i) => `big/${i}`), "a", "z/x", "big.txt");
    const [few, many] = [below(10), below(5_000)];
    expect(shown(page(few, ""))).toEqual(["a", "big/", "big.txt", "z/"]);
    expect(shown(page(many, ""))).toEqual(["a", "big/", "big.txt", "z/"]);
    expect(many.asked).toBe(few.asked);
    expect(many.asked).toBeLessThan(25);
  });

  test("is a few questions for each file, and rests after each", () => {
    const names = all(...Array.from({ length: 500 }, (_, i) => `d/my file - v1.${i}.txt`));
    const { entries, rests } = page(names, "d");
    expect(entries).toHaveLength(500);
    expect(rests).toBeGreaterThanOrEqual(500);
    expect(names.asked).toBeLessThan(500 * 4);
  });

  test("for a folder that nobody has anything of any more has an end", () => {
    const names = new Names(new Map(Array.from({ length: 10_001 }, (_, i) => [`old/${i}`, 0])));
    const sorted = Array.from({ length: 10_001 }, (_, i) => `old/${i}`).sort(byBytes);
    const at = new Map(sorted.map((name, i) => [name, i]));
    names.firstAfter = (name) => sorted[(at.get(name) ?? -1) + 1];
    expect(shown(page(names, ""))).toEqual(["old/"]);
  });
});

/** What the protocol says of a folder, from all names. */
function model(contents: ReadonlyMap<string, number>, folder: string): string[] {
  const prefix = folder === "" ? "" : `${folder}/`;
  const found = new Set<string>();
  for (const [name, count] of contents) {
    if (count === 0 || !name.startsWith(prefix)) continue;
    const [child = "", ...rest] = name.slice(prefix.length).split("/");
    if (rest.length > 0) found.add(`${child}/`);
    else for (let i = 0; i < count; i++) found.add(`${child} #${i}`);
  }
  const childOf = (entry: string) => entry.replace(/( #\d+|\/)$/, "");
  return [...found]
    .sort(
      (a, b) =>
        byBytes(childOf(a), childOf(b)) || Number(b.endsWith("/")) - Number(a.endsWith("/")) || byBytes(a, b),
    )
    .map((entry) => entry.replace(/ #\d+$/, ""));
}

test("pages put together are the children of the model, whatever the names and the length of a page", () => {
  const part = fc.string({ unit: fc.constantFrom(..."aB-. 0é🎬￮"), minLength: 1, maxLength: 3 });
  const nameArbitrary = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(nameArbitrary, fc.integer({ min: 0, max: 2 })), {
        maxLength: 40,
        selector: ([name]) => name,
      }),
      fc.oneof(fc.constant(""), nameArbitrary),
      fc.integer({ min: 3, max: 6 }),
      (entries, folder, limit) => {
        const contents = new Map(entries);
        const names = new Names(contents);
        for (const at of [folder, entries[0]?.[0].split("/")[0] ?? ""]) {
          const listed: string[] = [];
          for (let after: string | undefined = ""; after !== undefined; ) {
            const each: FolderPage = page(names, at, after, limit);
            expect(each.entries.length).toBeLessThanOrEqual(limit);
            if (each.next !== undefined) expect(byBytes(each.next, after)).toBeGreaterThan(0);
            listed.push(...shown(each));
            after = each.next;
          }
          expect(listed).toEqual(model(contents, at));
        }
      },
    ),
    { numRuns: 500 },
  );
});
