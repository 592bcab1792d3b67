/** How much a swarm may owe a download at a time: as much as arrives soon, more for who is behind the others. */
import { describe, expect, test } from "bun:test";
import { Bitfield } from "../../src/content/bitfield.ts";
import { swarmRoomChunks } from "../../src/transfer/pipeline.ts";
import { SourceTable } from "../../src/transfer/source-table.ts";
import { mebibyte } from "../simulation/plan.ts";

const chunks = 256;
const fast = 20 * mebibyte;

/** Connected to partial sources that have so many chunks each. */
function tableOf(...held: number[]): SourceTable {
  const table = new SourceTable(() => 0);
  const addresses = held.map((_, i) => ({ host: `10.0.0.${i + 1}`, port: 1, partial: true }));
  table.list(addresses, true);
  [...table.all].forEach((source, i) => {
    table.openTo(source, 0);
    source.held = new Bitfield(chunks);
    for (let chunk = 0; chunk < held[i]!; chunk++) source.held.add(chunk);
  });
  return table;
}

describe("what a swarm may owe", () => {
  test.each([
    { held: [100, 100], verified: 100, rate: fast, room: 6, why: "6 chunks at least" },
    { held: [100, 106], verified: 100, rate: fast, room: 9, why: "as many more as we are behind on average" },
    { held: [200, 200], verified: 100, rate: fast, room: 14, why: "no more than arrives in 400 ms" },
    { held: [200, 200], verified: 0, rate: 0, room: 6, why: "nothing more when nothing arrives" },
    { held: [200, 200], verified: 100, rate: mebibyte, room: 6.4, why: "hardly any on a slow line" },
    { held: [100, 100], verified: 101, rate: fast, room: 5, why: "fewer when we are ahead" },
    { held: [100, 100], verified: 200, rate: fast, room: 4, why: "but not so few that our line runs dry" },
    { held: [0, 104], verified: 100, rate: fast, room: 10, why: "who has nothing yet is not counted" },
  ])("$why: $held against $verified", ({ held, verified, rate, room }) => {
    expect(swarmRoomChunks(tableOf(...held), verified, rate, 0)).toBeCloseTo(room, 5);
  });
});
