/** What is sent arrives whole and in order, whatever the kernel takes at a time, and whoever else is sending. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Outbox } from "../../src/net/outbox.ts";

/** Takes as many bytes as it is told, one number for each write; all of them when there is none left. */
class Kernel {
  readonly writes: string[] = [];

  constructor(readonly room: number[] = []) {}

  get text(): string {
    return this.writes.join("");
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    const taken = Math.min(this.room.shift() ?? length, length);
    if (taken > 0) this.writes.push(Buffer.from(bytes.subarray(offset, offset + taken)).toString("latin1"));
    return taken;
  }
}

function open(...room: number[]): { outbox: Outbox; kernel: Kernel } {
  const [outbox, kernel] = [new Outbox(), new Kernel(room)];
  outbox.open(kernel, -1);
  return { outbox, kernel };
}

describe("corked", () => {
  test("texts and bytes leave in one write", () => {
    const { outbox, kernel } = open();
    outbox.cork();
    outbox.send("a");
    outbox.send(Buffer.from("b"));
    outbox.send("\u00e9");
    expect([outbox.bytes, kernel.writes]).toEqual([4, []]);
    outbox.uncork();
    expect([outbox.bytes, kernel.writes]).toEqual([0, ["ab\u00c3\u00a9"]]);
    outbox.send("c");
    expect(kernel.text).toBe("ab\u00c3\u00a9c");
  });

  test("what the kernel does not take waits, and comes before what is sent later", () => {
    const { outbox, kernel } = open(2);
    outbox.cork();
    outbox.send("first");
    outbox.uncork();
    expect([outbox.full, outbox.bytes, kernel.text]).toEqual([true, 3, "fi"]);
    outbox.cork();
    outbox.send("second");
    outbox.uncork();
    expect([outbox.bytes, kernel.text]).toEqual([9, "fi"]);
    outbox.drained();
    expect([outbox.full, outbox.bytes, kernel.text]).toEqual([false, 0, "firstsecond"]);
  });

  test("more than is put together is written in several goes", () => {
    const { outbox, kernel } = open();
    const texts = Array.from({ length: 300 }, (_, i) => `${i},`.repeat(200));
    outbox.cork();
    for (const text of texts) outbox.send(text);
    expect(kernel.writes.length).toBeGreaterThan(1);
    outbox.send(Buffer.alloc(300_000, "x"));
    outbox.send("end");
    outbox.uncork();
    expect(kernel.text).toBe(`${texts.join("")}${"x".repeat(300_000)}end`);
  });

  test("who alone says something is heard before all of it is said; among others it takes one write", () => {
    const [one, other] = [open(), open()];
    const text = "x".repeat(2_000);
    const sayTen = ({ outbox }: typeof one) => {
      outbox.cork();
      for (let i = 0; i < 10; i++) outbox.send(text);
      outbox.uncork();
    };
    const writesOf = ({ kernel }: typeof one) => kernel.writes.splice(0).map(({ length }) => length);
    sayTen(other);
    sayTen(one);
    expect([writesOf(other), writesOf(one)]).toEqual([[20_000], [20_000]]);
    sayTen(one);
    expect(writesOf(one)).toEqual([8_000, 8_000, 4_000]);
    sayTen(other);
    expect(writesOf(other)).toEqual([20_000]);
  });

  test("bytes that are sent as a copy may be changed afterwards, wherever they wait", () => {
    const [one, other] = [open(), open(0)];
    const bytes = Buffer.from("-ab-");
    const say = ({ outbox }: typeof one) => {
      bytes.write("-ab-");
      outbox.sendCopy(bytes, 1, 3);
      bytes.fill("?");
    };
    one.outbox.cork();
    say(one);
    // The room is another's: it has a queue of its own.
    other.outbox.cork();
    say(other);
    other.outbox.uncork();
    one.outbox.uncork();
    say(one);
    other.kernel.room.length = 0;
    other.outbox.drained();
    expect([one.kernel.text, other.kernel.text]).toEqual(["abab", "ab"]);
  });

  test("before the socket is there, all of it is kept", () => {
    const [outbox, kernel] = [new Outbox(), new Kernel()];
    outbox.cork();
    outbox.send("early");
    outbox.uncork();
    expect(outbox.bytes).toBe(5);
    outbox.open(kernel, -1);
    expect([outbox.bytes, kernel.text]).toEqual([0, "early"]);
  });

  test("nothing is sent of one that is closed meanwhile, and others are not hindered", () => {
    const [one, other] = [open(), open()];
    one.outbox.cork();
    one.outbox.send("lost");
    one.outbox.close();
    one.outbox.uncork();
    other.outbox.cork();
    other.outbox.send("told");
    other.outbox.uncork();
    expect([one.kernel.text, other.kernel.text]).toEqual(["", "told"]);
  });

  test("a broken socket is seen, and written to no more", () => {
    const { outbox, kernel } = open(-1);
    outbox.cork();
    outbox.send("a");
    outbox.uncork();
    outbox.send("b");
    expect([outbox.isBroken, kernel.writes]).toEqual([true, []]);
  });
});

test("closed while it is corked: nothing that comes then is kept", () => {
  const { outbox, kernel } = open();
  outbox.cork();
  outbox.send("a");
  outbox.close();
  outbox.send("b");
  outbox.sendCopy(Buffer.from("c"), 0, 1);
  outbox.send("d".repeat(300_000));
  outbox.uncork();
  expect([outbox.bytes, kernel.writes]).toEqual([0, []]);
  // Nor does it keep others from putting theirs together.
  const other = open();
  other.outbox.cork();
  other.outbox.send("e");
  other.outbox.send("f");
  other.outbox.uncork();
  expect(other.kernel.writes).toEqual(["ef"]);
});

test("several at once, corked within each other: each gets its own, whole and in order", () => {
  const whose = fc.nat({ max: 2 });
  const data = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 30 }),
    fc.uint8Array({ maxLength: 40 }),
    fc.integer({ min: 20_000, max: 70_000 }).map((length) => "y".repeat(length)),
  );
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("send" as const), whose, data }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("cork", "uncork", "drained", "flush"), whose }) },
  );
  const rooms = fc.array(fc.array(fc.nat({ max: 90_000 }), { maxLength: 6 }), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), rooms, (steps, room) => {
      const all = room.map((each) => ({ ...open(...each), said: "" }));
      for (const each of steps) {
        const one = all[each.whose]!;
        if ("data" in each) {
          one.outbox.send(each.data);
          one.said += Buffer.from(each.data as string).toString("latin1");
        } else one.outbox[each.do as "cork"]();
        for (const { outbox, kernel, said } of all)
          expect(kernel.text.length + outbox.bytes).toBe(said.length);
      }
      for (const { outbox, kernel, said } of all) {
        kernel.room.length = 0;
        outbox.uncork();
        outbox.drained();
        expect(kernel.text === said).toBe(true);
        expect(outbox.bytes).toBe(0);
      }
    }),
    { numRuns: 300 },
  );
});
