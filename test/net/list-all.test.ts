/** Pages of a list: what is asked for when. */
import { expect, test } from "bun:test";
import type { IndexClient } from "../../src/net/index-client.ts";
import { listAll } from "../../src/net/list-all.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import type { Names } from "../../src/wire/messages.ts";

/** An index with pages of one name each: `a`, `b` ... */
function indexOf(pages: number, failsAt = pages) {
  const asked: string[] = [];
  const listPage = async (_pattern: string, after: string): Promise<Names> => {
    const at = asked.push(after) - 1;
    if (at === failsAt) throw new Error("the index is gone");
    const name = String.fromCharCode(97 + at) as FileName;
    const file = { name, root: "aa", sizeBytes: 1, md5: "bb", total: 0, sources: [] };
    return { type: "NAMES", id: at, files: [file], next: at + 1 < pages ? name : undefined };
  };
  return { asked, index: { listPage } as unknown as IndexClient };
}

test("the next page is asked for before the caller has dealt with one", async () => {
  const { asked, index } = indexOf(3);
  const askedWhenDealt: string[][] = [];
  for await (const [file] of listAll(index, "**")) askedWhenDealt.push([file?.name ?? "", ...asked]);
  expect(askedWhenDealt).toEqual([
    ["a", "", "a"],
    ["b", "", "a", "b"],
    ["c", "", "a", "b"],
  ]);
});

test("what came is dealt with before the failure of the next page is told", async () => {
  const { index } = indexOf(3, 1);
  const dealt: string[] = [];
  const all = async () => {
    for await (const files of listAll(index, "**")) dealt.push(...files.map(({ name }) => name));
  };
  expect(all()).rejects.toThrow("the index is gone");
  await all().catch(() => {});
  expect(dealt).toContain("a");
});

test("who wants no more hears nothing of the next page", async () => {
  for await (const files of listAll(indexOf(3, 1).index, "**")) {
    expect(files).toHaveLength(1);
    break;
  }
  // A rejection that nobody handles would end the test.
  await Bun.sleep(0);
});
