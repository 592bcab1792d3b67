/** LIST: which files are in a page, in which order, from whom, and that pages put together are the whole. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { NamePattern } from "../../src/wire/name-pattern.ts";
import { fileEntry, md5Of, rootOf } from "../helpers/file-entries.ts";
import { OpenCatalog } from "./open-catalog.ts";

function page(open: OpenCatalog, pattern: string, after = "", limit = 1_000) {
  const steps = open.list.run(pattern, after, limit);
  for (let rests = 0; ; rests++) {
    const step = steps.next();
    if (step.done) return { ...step.value, rests };
  }
}

/** `name total port,port`. */
function shown(open: OpenCatalog, pattern: string): string[] {
  return page(open, pattern).files.map(({ name, total, sources }) => {
    const ports = sources.map(({ port }) => port).sort();
    return `${name} ${total} ${ports.join(",")}`;
  });
}

describe("LIST", () => {
  test("has the names that fit in the order of their bytes, whole holdings of live peers only", () => {
    using open = new OpenCatalog();
    const one = open.peer(
      ["d/b", "d/a", "d/x/c", "dd/a", "e", "d/\u{1f3ac}", "d/\uffee"].map((name) => fileEntry(name, 1)),
    );
    const two = open.peer([fileEntry("d/b", 2), { ...fileEntry("d/part", 1), partial: true }]);
    const left = open.peer([fileEntry("d/left", 1)]);
    open.leave(left);
    // In UTF-16 the clapper would come before U+FFEE.
    expect(shown(open, "d/")).toEqual([
      `d/a 1 ${one.port}`,
      ...[`d/b 1 ${one.port}`, `d/b 1 ${two.port}`],
      `d/x/c 1 ${one.port}`,
      `d/\uffee 1 ${one.port}`,
      `d/\u{1f3ac} 1 ${one.port}`,
    ]);
    expect(shown(open, "d/b")).toHaveLength(2);
    expect(shown(open, "*/b")).toHaveLength(2);
    expect(shown(open, "d")).toEqual([]);
    expect(page(open, "d/a").files[0]).toMatchObject({ root: rootOf(1), md5: md5Of(1), sizeBytes: 1001 });
  });

  test("does not have a name under which a content is only in part, though it is whole under another", () => {
    using open = new OpenCatalog();
    open.peer([fileEntry("d/whole", 1), { ...fileEntry("d/part", 1), partial: true }]);
    expect(page(open, "d/").files.map(({ name }) => name as string)).toEqual(["d/whole"]);
  });

  test("counts who has a content whole under whatever name, and gives 8 of them by chance", () => {
    using open = new OpenCatalog();
    const seen = new Set<number>();
    for (let i = 0; i < 30; i++) open.peer([fileEntry(i < 20 ? "a/file" : `other ${i}`, 1)]);
    for (let i = 0; i < 40; i++) open.peer([{ ...fileEntry("a/file", 1), partial: true }]);
    for (let i = 0; i < 60; i++) {
      const [file] = page(open, "a/").files;
      expect(file?.total).toBe(30);
      expect(new Set(file?.sources.map(({ port }) => port)).size).toBe(8);
      for (const { port, partial } of file?.sources ?? []) {
        expect(partial).toBe(false);
        seen.add(port);
      }
    }
    expect(seen.size).toBe(30);
  });

  test("finds 8 of very many by trying a few", () => {
    using open = new OpenCatalog();
    for (let i = 0; i < 400; i++) open.peer([fileEntry(i % 2 === 0 ? "popular" : "other", i % 2)]);
    const before = open.lookup.holders.rowsRead;
    const [file] = page(open, "popular").files;
    expect(file).toMatchObject({ total: 200, sources: { length: 8 } });
    expect(open.lookup.holders.rowsRead - before).toBeLessThan(150);
  });

  test("does not go over names outside of what the pattern begins with", () => {
    using open = new OpenCatalog();
    open.peer(Array.from({ length: 3_000 }, (_, i) => fileEntry(`other/${i}`)));
    open.peer(Array.from({ length: 10 }, (_, i) => fileEntry(`mine/${i}`)));
    open.peer(Array.from({ length: 3_000 }, (_, i) => fileEntry(`z/${i}`)));
    const { files, rests, next } = page(open, "mine/");
    expect(files).toHaveLength(10);
    expect(next).toBeUndefined();
    expect(rests).toBeLessThan(20);
    // A pattern that begins with anything goes over all of them, and rests often.
    expect(page(open, "*/5").rests).toBeGreaterThan(700);
  });

  test("keeps the contents of one name together, within the limit", () => {
    using open = new OpenCatalog();
    for (const content of [1, 2, 2, 3, 3, 3]) open.peer([fileEntry("b", content)]);
    open.peer([fileEntry("a", 9), fileEntry("c", 9)]);
    const names = (after: string, limit: number) => {
      const { files, next } = page(open, "**", after, limit);
      return [files.map(({ name, total }) => `${name} ${total}`).join(), next];
    };
    expect(names("", 3)).toEqual(["a 1", "a"] as never);
    expect(names("a", 3)).toEqual(["b 3,b 2,b 1", "b"] as never);
    // A page that is just full is the last one when nothing is left.
    expect(names("a", 4)).toEqual(["b 3,b 2,b 1,c 1", undefined] as never);
    expect(names("a", 5)).toEqual(["b 3,b 2,b 1,c 1", undefined] as never);
    expect(names("a", 2)).toEqual(["b 3,b 2", "b"] as never);
  });

  test("has all contents of a name however many entries are read at a time, and the most held of too many", () => {
    using open = new OpenCatalog();
    const contents = (name: string, first: number, count: number) =>
      Array.from({ length: count }, (_, i) => fileEntry(name, first + i));
    // A peer has a name once.
    for (const entry of [...contents("a", 0, 60), ...contents("b", 100, 60), ...contents("c", 200, 130)])
      open.peer([entry]);
    for (let i = 0; i < 20; i++) open.peer([fileEntry("c", 329)]);
    open.peer([fileEntry("d", 1)]);
    const { files, next } = page(open, "**");
    const counts = Map.groupBy(files, ({ name }) => name as string);
    expect([...counts].map(([name, list]) => [name, list.length])).toEqual([
      ["a", 60],
      ["b", 60],
      ["c", 100],
      ["d", 1],
    ]);
    expect(counts.get("c")?.[0]).toMatchObject({ root: rootOf(329), total: 21 });
    expect(next).toBeUndefined();
  });

  test("an entry that goes while the list rests is not taken for the one that gets its number", () => {
    using open = new OpenCatalog();
    const leaver = open.peer(Array.from({ length: 20 }, (_, i) => fileEntry(`d/${i}`)));
    const steps = open.list.run("d/", "", 1_000);
    steps.next();
    open.leave(leaver);
    open.purge(leaver);
    open.peer(Array.from({ length: 20 }, (_, i) => fileEntry(`z/${i}`)));
    let step = steps.next();
    while (!step.done) step = steps.next();
    expect(step.value.files).toEqual([]);
  });

  test("a lie about the MD5 is no other file; one about the size is", () => {
    using open = new OpenCatalog();
    const honest = fileEntry("a", 1);
    open.peer([honest]);
    open.peer([honest]);
    open.peer([{ ...honest, md5: md5Of("a lie") }]);
    open.peer([{ ...honest, sizeBytes: 5 }]);
    expect(page(open, "a").files.map(({ total, md5 }) => [total, md5])).toEqual([
      [3, honest.md5],
      [1, honest.md5],
    ]);
  });

  test("a peer that leaves while the list rests is not in it, nor what only it had", () => {
    using open = new OpenCatalog();
    const both = Array.from({ length: 200 }, (_, i) => fileEntry(`both/${i}`));
    const stays = open.peer(both);
    const leaver = open.peer([...both, fileEntry("alone")]);
    const steps = open.list.run("**", "", 1_000);
    // More than the rests of looking at the first names: the holders of the first 100 are read, those of others not.
    const before = open.lookup.holders.rowsRead;
    while (open.lookup.holders.rowsRead === before) expect(steps.next().done).toBe(false);
    expect(open.lookup.holders.rowsRead - before).toBeLessThan(300);
    open.leave(leaver);
    let step = steps.next();
    while (!step.done) step = steps.next();
    expect(step.value.files).toHaveLength(200);
    for (const { total, sources } of step.value.files) {
      expect(total).toBe(1);
      expect(sources.map(({ port }) => port)).toEqual([stays.port]);
    }
  });

  test("ends a page where it has looked at 200,000 names, found or not", () => {
    using open = new OpenCatalog();
    // As if registered; 200,000 REGISTERs would take too long here.
    open.writing.run(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200100)
       INSERT INTO entries(id, name, size, md5, root, kept, partial_holders, others, popularity)
       SELECT i + 9, printf('x/%06d', i), 1, zeroblob(16), zeroblob(32), 1 - 128, 0, 0, 0 FROM n`,
    );
    open.peer([fileEntry("z/last", 1)]);
    const first = page(open, "**/last");
    expect(first.files).toEqual([]);
    expect(Number(first.next?.slice(2))).toBeWithin(199_800, 200_001);
    expect(page(open, "**/last", first.next).files).toHaveLength(1);
  });
});

test("pages put together are what fits, each name once, in order", () => {
  const nameArbitrary = fc
    .array(fc.string({ unit: fc.constantFrom(..."aBé🎬"), minLength: 1, maxLength: 2 }), {
      minLength: 1,
      maxLength: 3,
    })
    .map((parts) => parts.join("/"));
  fc.assert(
    fc.property(
      fc.uniqueArray(nameArbitrary, { maxLength: 30 }),
      fc.constantFrom("**", "a/", "*a*", "**/a", "?/**", "B*/*/*", "aé"),
      fc.integer({ min: 1, max: 4 }),
      (names, text, limit) => {
        using open = new OpenCatalog();
        open.peer(names.map((name) => fileEntry(name)));
        const listed: string[] = [];
        for (let after: string | undefined = ""; after !== undefined; ) {
          const { files, next } = page(open, text, after, limit);
          expect(files.length).toBeLessThanOrEqual(limit);
          listed.push(...files.map(({ name }) => name));
          after = next;
        }
        const pattern = new NamePattern(text);
        const fitting = names.filter((name) => pattern.matches(name));
        expect(listed).toEqual(fitting.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
      },
    ),
    { numRuns: 100 },
  );
});
