import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Bitfield } from "../../src/content/bitfield.ts";
import { ChunkPicker, type ChunkRange } from "../../src/transfer/pick.ts";
import { Random } from "../helpers/random.ts";

const everything = { held: undefined, except: undefined };

function bitfield(size: number, chunks: readonly number[]): Bitfield {
  const field = new Bitfield(size);
  for (const chunk of chunks) field.add(chunk);
  return field;
}

function pickerOf(size: number, verified: readonly number[] = [], windowChunks?: number): ChunkPicker {
  // Without a window it begins at the start all the same: chance says 0.
  return new ChunkPicker(bitfield(size, verified), { random: () => 0, windowChunks });
}

function chunksOf({ first, count }: ChunkRange): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** What the picker should know, in the plainest way. */
interface Model {
  verified: Set<number>;
  claims: Map<number, number>;
  holders: Map<number, number>;
  windowChunks: number | undefined;
}

const size = 20;

function freeOf(model: Model): number[] {
  return Array.from({ length: size }, (_, chunk) => chunk).filter(
    (chunk) => !model.verified.has(chunk) && (model.claims.get(chunk) ?? 0) === 0,
  );
}

type Pick = { do: "in-order" | "rarest"; maxCount: number; held: number[] | undefined; except: number[] };
type Step = Pick | { do: "claim" | "release" | "verify" | "hold"; chunk: number };

const chunk = fc.nat({ max: size - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom("in-order" as const, "rarest" as const),
    maxCount: fc.integer({ min: 1, max: 6 }),
    held: fc.option(fc.array(chunk), { nil: undefined }),
    except: fc.array(chunk, { maxLength: 3 }),
  }),
  fc.record({
    do: fc.constantFrom("claim" as const, "release" as const, "verify" as const, "hold" as const),
    chunk,
  }),
);

function pick(step: Pick, picker: ChunkPicker, model: Model): void {
  const { held, except, maxCount } = step;
  const free = freeOf(model);
  const missing = [...Array(size).keys()].find((each) => !model.verified.has(each)) ?? size;
  const end = step.do === "in-order" ? missing + (model.windowChunks ?? size) : size;
  const wanted = free.filter(
    (each) => (held === undefined || held.includes(each)) && !except.includes(each) && each < end,
  );
  const offer = {
    held: held === undefined ? undefined : bitfield(size, held),
    except: except.length === 0 ? undefined : bitfield(size, except),
  };
  const range =
    step.do === "in-order" ? picker.claimInOrder(maxCount, offer) : picker.claimRarest(maxCount, offer);
  expect(range === undefined).toBe(wanted.length === 0);
  if (range === undefined) return;
  const chunks = chunksOf(range);
  expect(wanted).toEqual(expect.arrayContaining(chunks));
  expect(chunks.length).toBeLessThanOrEqual(maxCount);
  const holdersOf = (each: number) => model.holders.get(each) ?? 0;
  if (step.do === "rarest") {
    const fewest = Math.min(...wanted.map(holdersOf));
    expect(chunks.map(holdersOf)).toEqual(chunks.map(() => fewest));
  } else {
    if (model.windowChunks !== undefined) expect(range.first).toBe(wanted[0]!);
    // As many neighbours as may be.
    if (range.count < maxCount) expect(wanted).not.toContain(range.first + range.count);
  }
  for (const each of chunks) model.claims.set(each, 1);
}

function perform(step: Step, picker: ChunkPicker, model: Model): void {
  if ("maxCount" in step) {
    pick(step, picker, model);
  } else if (step.do === "hold") {
    picker.countHolderOf(step.chunk);
    model.holders.set(step.chunk, (model.holders.get(step.chunk) ?? 0) + 1);
  } else if (step.do === "verify") {
    expect(picker.verify(step.chunk)).toBe(!model.verified.has(step.chunk));
    model.verified.add(step.chunk);
  } else {
    const before = model.claims.get(step.chunk) ?? 0;
    // Nobody releases what nobody claimed.
    if (step.do === "release" && before === 0) return;
    picker[step.do](step.chunk);
    model.claims.set(step.chunk, before + (step.do === "claim" ? 1 : -1));
  }
}

describe("the chunk picker", () => {
  test("knows what sets would know", () => {
    const window = fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined });
    fc.assert(
      fc.property(fc.array(chunk), window, fc.nat(), fc.array(step, { maxLength: 60 }), (...given) => {
        const [already, windowChunks, seed, steps] = given;
        const picker = new ChunkPicker(bitfield(size, already), {
          random: new Random(seed).next,
          windowChunks,
        });
        const model: Model = {
          verified: new Set(already),
          claims: new Map(),
          holders: new Map(),
          windowChunks,
        };
        for (const each of steps) {
          perform(each, picker, model);
          expect(picker.unclaimedCount).toBe(freeOf(model).length);
          expect(picker.verifiedCount).toBe(model.verified.size);
          expect(picker.done).toBe(model.verified.size === size);
          for (let i = 0; i < size; i++) expect(picker.claimsOf(i)).toBe(model.claims.get(i) ?? 0);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("counts what another has that is missing", () => {
    fc.assert(
      fc.property(fc.array(chunk), fc.array(chunk), (verified, held) => {
        const lacking = pickerOf(size, verified).countLacking(bitfield(size, held));
        expect(lacking).toBe(new Set(held.filter((each) => !verified.includes(each))).size);
      }),
    );
  });

  test("goes through the file in order, around what is there already", () => {
    const picker = pickerOf(6, [2]);
    expect(picker.claimInOrder(4, everything)).toEqual({ first: 0, count: 2 });
    expect(picker.claimInOrder(2, everything)).toEqual({ first: 3, count: 2 });
    picker.release(0);
    expect(picker.claimInOrder(4, everything)).toEqual({ first: 0, count: 1 });
    expect(picker.claimInOrder(4, everything)).toEqual({ first: 5, count: 1 });
    expect(picker.claimInOrder(4, everything)).toBeUndefined();
  });

  test("begins anywhere, and goes round", () => {
    const picker = new ChunkPicker(new Bitfield(6), { random: () => 0.7 });
    expect(picker.claimInOrder(9, everything)).toEqual({ first: 4, count: 2 });
    expect(picker.claimInOrder(9, everything)).toEqual({ first: 0, count: 4 });
  });

  test("with a window goes strictly in order and no further than that", () => {
    const picker = pickerOf(9, [1], 4);
    expect(picker.claimInOrder(9, everything)).toEqual({ first: 0, count: 1 });
    expect(picker.claimInOrder(9, everything)).toEqual({ first: 2, count: 2 });
    expect(picker.claimInOrder(9, everything)).toBeUndefined();
    picker.verify(0);
    expect(picker.claimInOrder(1, everything)).toEqual({ first: 4, count: 1 });
    expect(picker.claimInOrder(9, everything)).toEqual({ first: 5, count: 1 });
    picker.release(3);
    expect(picker.claimInOrder(9, everything)).toEqual({ first: 3, count: 1 });
  });

  test("takes what the fewest have, each of those with the same chance", () => {
    const random = new Random(1);
    const picked = new Map<number, number>();
    for (let i = 0; i < 900; i++) {
      const picker = new ChunkPicker(new Bitfield(30), { random: random.next });
      const common = Array.from({ length: 30 }, (_, each) => each).filter((each) => each % 10 !== 7);
      picker.countHolder(bitfield(30, common), 1);
      const range = picker.claimRarest(3, everything)!;
      expect(range.count).toBe(1);
      picked.set(range.first, (picked.get(range.first) ?? 0) + 1);
    }
    expect([...picked.keys()].sort((a, b) => a - b)).toEqual([7, 17, 27]);
    for (const times of picked.values()) expect(Math.abs(times - 300)).toBeLessThan(60);
  });

  test("counts holders no more when they are gone, and takes none that too many have", () => {
    const picker = pickerOf(10);
    picker.countHolder(bitfield(10, [0, 1, 2]), 1);
    picker.countHolder(Bitfield.full(10), 1);
    expect(picker.claimRarest(1, everything, 0)).toBeUndefined();
    picker.countHolder(Bitfield.full(10), -1);
    const unseen = Array.from({ length: 7 }, () => picker.claimRarest(1, everything, 0)!.first);
    expect(unseen.sort()).toEqual([3, 4, 5, 6, 7, 8, 9]);
    expect(picker.claimRarest(9, everything, 0)).toBeUndefined();
    expect(picker.claimRarest(9, everything)?.first).toBeLessThan(3);
  });

  test("of a million chunks and 64 holders takes microseconds", () => {
    const chunks = 1_048_576;
    const random = new Random(1);
    const picker = new ChunkPicker(new Bitfield(chunks), { random: random.next });
    const held = Bitfield.from(random.bytes(chunks / 8), chunks)!;
    for (let i = 0; i < 64; i++) picker.countHolder(held, 1);
    const startNs = Bun.nanoseconds();
    for (let i = 0; i < 2_000; i++) picker.claimRarest(1, { held, except: undefined });
    // 15 µs each here; a pass over all chunks would take milliseconds.
    expect((Bun.nanoseconds() - startNs) / 2_000).toBeLessThan(500_000);
  });

  test("is done at once when there is nothing to fetch", () => {
    expect(pickerOf(0).done).toBe(true);
    expect(pickerOf(0).claimRarest(1, everything)).toBeUndefined();
    expect(new ChunkPicker(Bitfield.full(3), { random: () => 0 }).done).toBe(true);
  });
});

test("in order, no chunk is asked for that has no room before others have been handed on", () => {
  const picker = pickerOf(10, [], 4);
  const next = () => picker.claimInOrder(10, { held: undefined, except: undefined });
  picker.handOn(0);
  expect(next()).toEqual({ first: 0, count: 4 });
  for (const chunk of [0, 1, 2, 3]) {
    expect(picker.isWaitingForReader).toBe(false);
    picker.verify(chunk);
    picker.release(chunk);
  }
  expect([next(), picker.isWaitingForReader]).toEqual([undefined, true]);
  const { freed } = picker;
  picker.handOn(1);
  expect([picker.freed > freed, picker.isWaitingForReader]).toEqual([true, false]);
  expect(next()).toEqual({ first: 4, count: 1 });
});
