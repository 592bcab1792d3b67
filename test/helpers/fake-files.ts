/** A scripted peer that has many contents, and does something odd with some of them. */
import { Bitfield } from "../../src/content/bitfield.ts";
import { chunkCountOf } from "../../src/content/chunks.ts";
import type { TestContent } from "./contents.ts";
import { type FakeSource, fakeSource, line } from "./fake-source.ts";

/** What is sent instead of these bytes, or the code of an ERROR; undefined: nothing at all, ever. */
export type OddAnswer = (content: TestContent, bytes: Uint8Array) => Uint8Array | string | undefined;

const right: OddAnswer = (_content, bytes) => bytes;

/** One bit is the other one. */
export const wrong: OddAnswer = (_content, bytes) =>
  bytes.with(bytes.length >> 1, bytes[bytes.length >> 1]! ^ 1);

export function fakeFiles(contents: Iterable<TestContent>, answer: OddAnswer = right): FakeSource {
  const byRoot = new Map([...contents].map((content) => [content.root, content]));
  return fakeSource(({ type, id, root = "", offset = 0, length = 0 }, to) => {
    if (type === "HELLO") return to.send(line({ type: "WELCOME", version: 1, agent: "fake" }));
    const content = byRoot.get(root);
    if (content === undefined) return to.send(line({ type: "ERROR", id, code: "NOT_FOUND", message: "" }));
    if (type === "HASHES") {
      to.send(line({ type, id, length: content.chunkHashes.length }));
      to.send(content.chunkHashes);
    } else if (type === "HAVE") {
      to.send(line({ type, id, root, chunks: Buffer.from(allChunksOf(content)).toString("base64") }));
    } else if (type === "GET") {
      const sent = answer(content, content.bytes.subarray(offset, offset + length));
      if (typeof sent === "string") to.send(line({ type: "ERROR", id, code: sent, message: "" }));
      if (sent === undefined || typeof sent === "string") return;
      to.send(line({ type: "DATA", id, offset, length }));
      to.send(sent);
    }
  });
}

function allChunksOf({ sizeBytes }: TestContent): Uint8Array {
  const bits = new Bitfield(chunkCountOf(sizeBytes));
  for (let chunk = 0; chunk < bits.size; chunk++) bits.add(chunk);
  return bits.bytes;
}
