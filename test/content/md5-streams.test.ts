/** MD5 in lanes against the platform's own, with both implementations. */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import {
  type Md5Streams,
  NativeMd5Streams,
  newMd5Streams,
  streamsAtOnce,
  WasmMd5Streams,
} from "../../src/content/md5-streams.ts";

const areaBytes = 256;
const count = streamsAtOnce + 1;

const native = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");

/** No two blocks are alike. */
function bytes(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => ((i * 31) ^ (i >> 8) ^ (i >> 4)) + seed);
}

/** Hashes all contents, each in the first stream that is free; returns their digests in order. */
function hashAll(
  streams: Md5Streams,
  contents: Uint8Array[],
  room: number = count,
  isAlone = (_content: number) => false,
): string[] {
  const digests: string[] = [];
  const running: ({ content: number; at: number; ended: boolean } | undefined)[] =
    Array(room).fill(undefined);
  let begun = 0;
  for (;;) {
    for (const [stream, area] of streams.areas.slice(0, room).entries()) {
      if (streams.isPending(stream)) continue;
      const ended = running[stream];
      if (ended?.ended) {
        digests[ended.content] = streams.digest(stream);
        running[stream] = undefined;
      }
      if (running[stream] === undefined && begun < contents.length) {
        streams.begin(stream, isAlone(begun));
        running[stream] = { content: begun++, at: 0, ended: false };
      }
      const now = running[stream];
      if (now === undefined) continue;
      const part = contents[now.content]!.subarray(now.at, now.at + area.length);
      area.set(part);
      now.at += part.length;
      now.ended = part.length < area.length;
      streams.append(stream, part.length, now.ended);
    }
    if (running.every((stream) => stream === undefined)) return digests;
    streams.advance();
  }
}

test("four at once are chosen where WebAssembly has SIMD", () => {
  expect(newMd5Streams(count, areaBytes)).toBeInstanceOf(WasmMd5Streams);
});

describe.each([
  ["in WebAssembly", () => newMd5Streams(count, areaBytes)],
  ["without it", () => new NativeMd5Streams(count, areaBytes)],
] as const)("%s", (_, newStreams) => {
  test("the test suite of RFC 1321, appendix A.5", () => {
    const suite = {
      "": "d41d8cd98f00b204e9800998ecf8427e",
      a: "0cc175b9c0f1b6a831c399e269772661",
      abc: "900150983cd24fb0d6963f7d28e17f72",
      "message digest": "f96b697d7cb7938d525a2f31aaf161d0",
      abcdefghijklmnopqrstuvwxyz: "c3fcd3d76192e4007dfb496cca67e13b",
      ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789: "d174ab98d277d9f5a5611c2c9f419d9f",
      [`${"1234567890".repeat(8)}`]: "57edf4a22be3c955ac49da2e2107b67a",
    };
    const contents = Object.keys(suite).map((text) => new TextEncoder().encode(text));
    expect(hashAll(newStreams(), contents)).toEqual(Object.values(suite));
  });

  // Around what the padding, a block and an area make special.
  const interesting = [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 255, 256, 257, 512, 700, 5_000];

  test.each([1, 2, 3, 4, 5])("%d side by side, of every length where something changes", (room) => {
    const contents = interesting.map((length, seed) => bytes(length, seed));
    expect(hashAll(newStreams(), contents, room)).toEqual(contents.map(native));
  });

  test("every length alone", () => {
    const streams = newStreams();
    for (let length = 0; length < 200; length++) {
      expect(hashAll(streams, [bytes(length)])).toEqual([native(bytes(length))]);
    }
  });

  test("contents that were begun alone, and joined by others", () => {
    const contents = interesting.map((length, seed) => bytes(length, seed));
    const isAlone = (content: number) => content % 3 === 0;
    expect(hashAll(newStreams(), contents, count, isAlone)).toEqual(contents.map(native));
  });

  test("any contents side by side, any number of them, in streams used before", () => {
    const streams = newStreams();
    const contents = fc.array(fc.uint8Array({ maxLength: 1_200, size: "max" }), { maxLength: 12 });
    fc.assert(
      fc.property(contents, fc.integer({ min: 1, max: count }), (contents, room) => {
        expect(hashAll(streams, contents, room)).toEqual(contents.map(native));
      }),
    );
  });

  test("a content that is given up leaves no trace", () => {
    const streams = newStreams();
    for (let stream = 0; stream < count; stream++) {
      streams.begin(stream);
      streams.append(stream, areaBytes, false);
    }
    streams.advance();
    const contents = [bytes(1_000), bytes(10), bytes(500)];
    expect(hashAll(streams, contents)).toEqual(contents.map(native));
  });
});

test("of more streams than go at once, none is left behind", () => {
  const streams = newMd5Streams(count, areaBytes);
  for (let stream = 0; stream < count; stream++) {
    streams.begin(stream);
    streams.append(stream, areaBytes, false);
  }
  // Four of them are kept pending for ever.
  for (let turn = 0; turn < 2; turn++) {
    streams.advance();
    for (let stream = 0; stream < streamsAtOnce; stream++) {
      if (!streams.isPending(stream)) streams.append(stream, areaBytes, false);
    }
  }
  expect(streams.isPending(streamsAtOnce)).toBe(false);
});

test("the length of a content beyond 512 MiB takes more than 32 bits", () => {
  const large = 64 * 1024;
  const streams = newMd5Streams(2, large);
  const content = bytes(large, 3);
  const whole = createHash("md5");
  for (const area of streams.areas) area.set(content);
  streams.begin(0);
  streams.begin(1);
  for (let i = 0; i < 8_193; i++) {
    whole.update(content);
    streams.append(0, large, false);
    streams.append(1, large, false);
    streams.advance();
  }
  streams.append(0, 0, true);
  streams.append(1, 0, true);
  streams.advance();
  const expected = whole.digest("hex");
  expect([streams.digest(0), streams.digest(1)]).toEqual([expected, expected]);
}, 20_000);
