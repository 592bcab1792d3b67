/** What is subscribed to with an id takes the place of what was, and nothing is wanted that nobody waits for. */
import { expect, test } from "bun:test";
import { type NewsReader, SourceNews } from "../../src/index-server/source-news.ts";
import { WantedFiles } from "../../src/index-server/wanted-files.ts";
import { maxSubscriptionsPerConnection } from "../../src/wire/limits.ts";

function newsOf(wanted: WantedFiles): SourceNews {
  const later = () => () => {};
  return new SourceNews({ nowMs: () => 0, later, chance: () => 0, isLive: () => true, wanted });
}

const reader: NewsReader = { takesNews: true, peerId: undefined, tell() {}, tellFound() {} };

test("a QUERY in place of the only WATCH ends what that wanted", () => {
  const wanted = new WantedFiles();
  const news = newsOf(wanted);
  news.watch(reader, 1, "film");
  news.subscribe(reader, 1, "a.iso", []);
  expect([news.size, wanted.any]).toEqual([1, true]);
  news.unsubscribe(reader, 1);
  expect([news.size, wanted.any]).toEqual([0, false]);
});

test("who has as many as may be can still begin one of them anew", () => {
  const news = newsOf(new WantedFiles());
  for (let id = 0; id < maxSubscriptionsPerConnection; id++) news.subscribe(reader, id, `${id}`, []);
  news.subscribe(reader, 0, "another", []);
  news.watch(reader, 1, "film");
  expect(news.size).toBe(maxSubscriptionsPerConnection);
  const refused = expect.objectContaining({ code: "TOO_MANY" });
  expect(() => news.subscribe(reader, 1_000, "more", [])).toThrow(refused);
  expect(() => news.watch(reader, 1_000, "more")).toThrow(refused);
});
