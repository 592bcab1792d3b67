import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Bitfield } from "../../src/content/bitfield.ts";
import { ChunkPicker } from "../../src/transfer/pick.ts";

function bitfield(size: number, chunks: readonly number[]): Bitfield {
  const field = new Bitfield(size);
  for (const chunk of chunks) field.add(chunk);
  return field;
}

/** What the picker should know, in the plainest way. */
interface Model {
  verified: Set<number>;
  claims: Map<number, number>;
}

function freeOf(model: Model, size: number): number[] {
  return Array.from({ length: size }, (_, chunk) => chunk).filter(
    (chunk) => !model.verified.has(chunk) && (model.claims.get(chunk) ?? 0) === 0,
  );
}

type Step =
  | { do: "claim-next"; maxCount: number; held: number[] | undefined }
  | { do: "claim" | "release" | "verify"; chunk: number };

const size = 20;
const chunk = fc.nat({ max: size - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("claim-next" as const),
    maxCount: fc.integer({ min: 1, max: 6 }),
    held: fc.option(fc.array(chunk), { nil: undefined }),
  }),
  fc.record({ do: fc.constantFrom("claim" as const, "release" as const, "verify" as const), chunk }),
);

function perform(step: Step, picker: ChunkPicker, model: Model): void {
  if (step.do === "claim-next") {
    const free = freeOf(model, size);
    const wanted = free.filter((each) => step.held === undefined || step.held.includes(each));
    const held = step.held === undefined ? undefined : bitfield(size, step.held);
    const range = picker.claimNext(step.maxCount, held);
    expect(range === undefined).toBe(wanted.length === 0);
    if (range === undefined) return;
    const chunks = Array.from({ length: range.count }, (_, i) => range.first + i);
    expect(range.first).toBe(wanted[0]!);
    expect(wanted).toEqual(expect.arrayContaining(chunks));
    // As many neighbours as may be.
    if (range.count < step.maxCount) expect(wanted).not.toContain(range.first + range.count);
    for (const each of chunks) model.claims.set(each, 1);
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
    fc.assert(
      fc.property(fc.array(chunk), fc.array(step, { maxLength: 60 }), (already, steps) => {
        const picker = new ChunkPicker(bitfield(size, already));
        const model: Model = { verified: new Set(already), claims: new Map() };
        for (const each of steps) {
          perform(each, picker, model);
          expect(picker.unclaimedCount).toBe(freeOf(model, size).length);
          expect(picker.verifiedCount).toBe(model.verified.size);
          expect(picker.done).toBe(model.verified.size === size);
          for (let i = 0; i < size; i++) expect(picker.claimsOf(i)).toBe(model.claims.get(i) ?? 0);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("lacks some of what another holds exactly when that has a missing chunk", () => {
    fc.assert(
      fc.property(fc.array(chunk), fc.array(chunk), (verified, held) => {
        const lacks = new ChunkPicker(bitfield(size, verified)).lacksSomeOf(bitfield(size, held));
        expect(lacks).toBe(held.some((each) => !verified.includes(each)));
      }),
    );
  });

  test("goes through the file in order, around what is there already", () => {
    const picker = new ChunkPicker(bitfield(6, [2]));
    expect(picker.claimNext(4, undefined)).toEqual({ first: 0, count: 2 });
    expect(picker.claimNext(2, undefined)).toEqual({ first: 3, count: 2 });
    picker.release(0);
    expect(picker.claimNext(4, undefined)).toEqual({ first: 0, count: 1 });
    expect(picker.claimNext(4, undefined)).toEqual({ first: 5, count: 1 });
    expect(picker.claimNext(4, undefined)).toBeUndefined();
  });

  test("is done at once when there is nothing to fetch", () => {
    expect(new ChunkPicker(new Bitfield(0)).done).toBe(true);
    expect(new ChunkPicker(Bitfield.full(3)).done).toBe(true);
  });
});
