/** What is told without being asked for: everything once, in whatever pieces, and the other side knows what we know. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Bitfield } from "../../src/content/bitfield.ts";
import { ContentBoard, ContentBoards } from "../../src/transfer/content-board.ts";
import { type NewsworthyContent, UploadNews } from "../../src/transfer/upload-news.ts";
import { SentOnce } from "../simulation/sent-chunks.ts";

const root = "ab".repeat(32);

interface Line {
  type: string;
  root: string;
  chunk: number;
}

function partial(
  chunkCount: number,
  board = ContentBoard.make(chunkCount),
): NewsworthyContent & { verified: Uint8Array } {
  return { root, chunkCount, verified: new Uint8Array(Math.ceil(chunkCount / 8)), board };
}

function verify({ verified }: { verified: Uint8Array }, chunk: number): void {
  verified[chunk >> 3]! |= 0x80 >> (chunk & 7);
}

function linesOf(text: string | undefined): Line[] {
  return (text ?? "")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

function everything(news: UploadNews): Line[] {
  const all: Line[] = [];
  for (let text = news.next(); text !== undefined; text = news.next()) all.push(...linesOf(text));
  return all;
}

describe("news", () => {
  test("a content that is whole has none, unless somebody wants to know what is sent", () => {
    const news = new UploadNews();
    const whole = { ...partial(9), verified: undefined };
    expect(news.begin(whole, false)).toEqual({ chunks: new Uint8Array([0xff, 0x80]) });
    expect(news.stir(root)).toBe(false);
    expect(whole.board.watchers).toBe(0);
    whole.board.add(1, 2);
    expect(news.begin(whole, true)).toEqual({
      chunks: new Uint8Array([0xff, 0x80]),
      sent: new Uint8Array([0x60, 0]),
    });
    expect(whole.board.watchers).toBe(1);
    whole.board.add(2, 7);
    news.stir(root);
    expect(everything(news).map(({ type, chunk }) => `${type} ${chunk}`)).toEqual(
      [3, 4, 5, 6, 7, 8].map((chunk) => `SENT ${chunk}`),
    );
    news.endAll();
    expect(whole.board.watchers).toBe(0);
  });

  test("nothing is said before something has happened, nor twice", () => {
    const news = new UploadNews();
    const content = partial(3);
    news.begin(content, false);
    expect(everything(news)).toEqual([]);
    verify(content, 1);
    expect(everything(news)).toEqual([]);
    news.stir(root);
    expect(everything(news)).toEqual([{ type: "HAVE", root, chunk: 1 }]);
    news.stir(root);
    expect(everything(news)).toEqual([]);
  });

  test("a slow reader is told in pieces, however much has piled up", () => {
    const news = new UploadNews();
    const content = partial(1_000);
    news.begin(content, false);
    for (let chunk = 0; chunk < 1_000; chunk++) verify(content, chunk);
    news.stir(root);
    const first = linesOf(news.next());
    expect(first.length).toBeLessThan(100);
    expect([...first, ...everything(news)].map(({ chunk }) => chunk)).toEqual(
      Array.from({ length: 1_000 }, (_, chunk) => chunk),
    );
    expect(content.board.watchers).toBe(0);
  });

  test("of many contents the one watched first makes room", () => {
    const news = new UploadNews();
    const contents = Array.from({ length: 70 }, (_, i) => ({ ...partial(2), root: `root ${i}` }));
    for (const content of contents) news.begin(content, true);
    expect(news.stir("root 5")).toBe(false);
    expect(news.stir("root 6")).toBe(true);
    expect(contents.reduce((sum, { board }) => sum + board.watchers, 0)).toBe(64);
    news.begin(contents[9]!, true);
    news.endAll();
    expect(contents.reduce((sum, { board }) => sum + board.watchers, 0)).toBe(0);
  });

  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ send: fc.nat(39), count: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 3, arbitrary: fc.record({ verify: fc.nat(39) }) },
    { weight: 2, arbitrary: fc.constant("tell" as const) },
  );
  test("who listens ends up with what is true, whatever happens between the lines", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 40 }),
        fc.array(step, { maxLength: 300 }),
        (chunkCount, steps) => {
          const news = new UploadNews();
          const content = partial(chunkCount);
          const half = Math.floor(steps.length / 3);
          let ready = new Bitfield(chunkCount);
          let sent = new SentOnce(new Bitfield(chunkCount));
          const hear = (lines: Line[]) => {
            for (const { type, chunk } of lines) {
              if (type === "SENT") sent.add(chunk);
              else expect(ready.add(chunk)).toBe(true);
            }
          };
          steps.forEach((each, at) => {
            if (at === half) {
              const answer = news.begin(content, true);
              ready = Bitfield.from(answer.chunks, chunkCount)!;
              sent = new SentOnce(Bitfield.from(answer.sent!, chunkCount)!);
            }
            if (each === "tell") {
              news.stir(root);
              hear(linesOf(news.next()));
            } else if ("send" in each) {
              content.board.add(each.send, each.count);
            } else if (each.verify < chunkCount) {
              verify(content, each.verify);
            }
          });
          if (steps.length === 0) return;
          news.stir(root);
          hear(everything(news));
          expect(ready.bytes).toEqual(content.verified);
          expect(sent.chunks.bytes).toEqual(content.board.sent);
        },
      ),
    );
  });
});

describe("the board of a content", () => {
  test("counts what was sent in rounds, for all who look at it", () => {
    const board = ContentBoard.make(3);
    const other = new ContentBoard(board.shared, 3);
    expect(board.add(0, 1)).toBe(true);
    expect(other.add(0, 1)).toBe(false);
    expect(other.add(0, 2)).toBe(true);
    expect([...board.sent]).toEqual([0xc0]);
    expect(board.round).toBe(0);
    expect(board.add(2, 100)).toBe(true);
    expect([...other.sent]).toEqual([0]);
    expect(other.round).toBe(1);
  });

  test("is kept for those contents that were asked for last", () => {
    const boards = new ContentBoards();
    const first = boards.of("first", 5);
    expect(boards.of("first", 5)).toBe(first);
    for (let i = 0; i < 127; i++) boards.of(`other ${i}`, 5);
    expect(boards.get("first")).toBe(first);
    boards.of("one more", 5);
    expect(boards.get("first")).toBeUndefined();
  });
});
