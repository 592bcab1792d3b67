/** The bitfield against a Set, and its bits as they are on the wire. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Bitfield } from "../../src/content/bitfield.ts";
import { byteRange, chunkCountOf, chunkLength, chunkOffset } from "../../src/content/chunks.ts";

describe("a bitfield", () => {
  test("has the first chunk in the highest bit of the first byte, and no spare bit set", () => {
    const field = new Bitfield(10);
    field.add(0);
    field.add(9);
    expect([...field.bytes]).toEqual([0b1000_0000, 0b0100_0000]);
    expect([...Bitfield.full(10).bytes]).toEqual([0b1111_1111, 0b1100_0000]);
    expect(Bitfield.full(0).isFull).toBe(true);
  });

  test("agrees with a set", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 70 }),
        fc.array(fc.integer({ min: -2, max: 75 })),
        (size, added) => {
          const field = new Bitfield(size);
          const model = new Set<number>();
          for (const index of added) {
            const isNew = index >= 0 && index < size && !model.has(index);
            expect(field.add(index)).toBe(isNew);
            if (isNew) model.add(index);
          }
          expect(field.count).toBe(model.size);
          expect(field.isFull).toBe(model.size === size);
          for (let i = 0; i < size; i++) expect(field.has(i)).toBe(model.has(i));
          const again = Bitfield.from(field.bytes, size);
          expect(again?.count).toBe(model.size);
          expect(again?.bytes).toEqual(field.bytes);
        },
      ),
    );
  });

  const wrong: [bytes: number[], size: number][] = [
    [[], 1],
    [[0], 0],
    [[0, 0], 8],
    [[0b0000_0001], 7],
    [[0, 0b0011_1111], 10],
  ];
  test.each(wrong)("%j is none of %i chunks", (bytes, size) => {
    expect(Bitfield.from(new Uint8Array(bytes), size)).toBeUndefined();
  });
});

test("chunks cover a content exactly", () => {
  fc.assert(
    fc.property(fc.nat(50 * 1024 * 1024), (sizeBytes) => {
      let at = 0;
      for (let i = 0; i < chunkCountOf(sizeBytes); i++) {
        expect(chunkOffset(i)).toBe(at);
        expect(chunkLength(i, sizeBytes)).toBeWithin(1, 1024 * 1024 + 1);
        at += chunkLength(i, sizeBytes);
      }
      expect(at).toBe(sizeBytes);
      const count = chunkCountOf(sizeBytes);
      expect(byteRange(0, count, sizeBytes)).toEqual({ offset: 0, length: sizeBytes });
    }),
    { numRuns: 50 },
  );
});
