import { describe, expect, test } from "bun:test";
import { SentChunks } from "./sent-chunks.ts";

function chunksOf(sent: SentChunks, root: string, size: number): number[] {
  const field = sent.sentOf(root, size);
  return [...Array(size).keys()].filter((chunk) => field.has(chunk));
}

describe("what was sent", () => {
  test("is known by content, and news once", () => {
    const sent = new SentChunks();
    expect(sent.add("a", 10, 2, 3)).toEqual([2, 3, 4]);
    expect(sent.add("a", 10, 4, 2)).toEqual([5]);
    expect(sent.add("b", 10, 9, 5)).toEqual([9]);
    expect(chunksOf(sent, "a", 10)).toEqual([2, 3, 4, 5]);
    expect(chunksOf(sent, "b", 10)).toEqual([9]);
  });

  test("begins anew when it is everything", () => {
    const sent = new SentChunks();
    expect(sent.add("a", 3, 0, 2)).toEqual([0, 1]);
    expect(sent.add("a", 3, 2, 1)).toEqual([2]);
    expect(chunksOf(sent, "a", 3)).toEqual([]);
    expect(sent.add("a", 3, 0, 1)).toEqual([0]);
  });

  test("is forgotten of the content that was asked for the longest ago, above 64", () => {
    const sent = new SentChunks();
    sent.add("first", 9, 0, 1);
    sent.add("second", 9, 0, 1);
    for (let i = 0; i < 62; i++) sent.add(`more ${i}`, 9, 0, 1);
    sent.sentOf("first", 9);
    sent.add("one too many", 9, 0, 1);
    expect(chunksOf(sent, "first", 9)).toEqual([0]);
    expect(chunksOf(sent, "second", 9)).toEqual([]);
  });
});
