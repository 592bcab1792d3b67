/** How much is said at once, by how quickly the answers come. */
import { expect, test } from "bun:test";
import { AnnouncePace } from "../../src/library/announce-pace.ts";

test("it begins with little, grows with quick answers, stays as it is, and is little again after a slow one", () => {
  const pace = new AnnouncePace();
  const said = [pace.maxBytes];
  for (const tookMs of [10, 249, 250, 1_000, 20, 20, 20, 20, 1_001, 5_000, 10]) {
    pace.answered(tookMs);
    said.push(pace.maxBytes);
  }
  const steps = [48, 96, 192, 192, 192, 384, 768, 1_024, 1_024, 48, 48, 96];
  expect(said).toEqual(steps.map((kibibytes) => kibibytes * 1_024));
});
