import { describe, expect, test } from "bun:test";
import { IndexAsking } from "../../src/transfer/index-asking.ts";

describe("asking the index again", () => {
  test("every 10 s while somebody is left, every second while nobody is", () => {
    const asking = new IndexAsking(1_000);
    expect(asking.nextMs(true)).toBe(11_000);
    expect(asking.nextMs(false)).toBe(2_000);
  });

  test("one question at a time", () => {
    const asking = new IndexAsking(0);
    asking.onAsked();
    expect(asking.nextMs(false)).toBe(Number.POSITIVE_INFINITY);
    asking.onAnswered(500);
    expect(asking.nextMs(false)).toBe(1_500);
  });

  test("at once when the last source is out, and its answer is the one that counts", () => {
    const asking = new IndexAsking(0);
    expect(asking.isCurrent).toBe(true);
    asking.onExcluded();
    expect(asking.isCurrent).toBe(false);
    expect(asking.nextMs(false)).toBe(0);
    asking.onAsked();
    asking.onAnswered(700);
    expect(asking.isCurrent).toBe(true);
    expect(asking.nextMs(false)).toBe(1_700);
  });

  test("an answer to a question from before the exclusion is none", () => {
    const asking = new IndexAsking(0);
    asking.onAsked();
    asking.onExcluded();
    asking.onAnswered(100);
    expect(asking.isCurrent).toBe(false);
    expect(asking.nextMs(false)).toBe(100);
  });

  test("a sample does not prove that nobody is left", () => {
    const asking = new IndexAsking(0);
    asking.onExcluded();
    asking.onAsked();
    asking.onAnswered(100, false);
    expect(asking.isCurrent).toBe(false);
    expect(asking.nextMs(false)).toBe(1_100);
    asking.onAsked();
    asking.onAnswered(1_200, true);
    expect(asking.isCurrent).toBe(true);
  });
});
