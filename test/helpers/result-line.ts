/** A RESULT as it is on the wire, whose end an index keeps apart. */
import { encodeResultEnd, encodeResultStart } from "../../src/wire/encode.ts";
import type { FoundContent } from "../../src/wire/messages.ts";

export function resultLine(id: number, contents: readonly FoundContent[]): string {
  return encodeResultStart(id) + Buffer.from(encodeResultEnd(contents)).toString();
}
