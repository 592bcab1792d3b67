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
    { held: [100, 100], verified: 100, rate: fast, room: 5.2, why: "what arrives in 260 ms" },
    {
      held: [100, 106],
      verified: 100,
      rate: fast,
      room: 8.2,
      why: "as many more as we are behind on average",
    },
    { held: [200, 200], verified: 100, rate: fast, room: 13.2, why: "no more than arrives in 400 ms" },
    {
      held: [200, 200],
      verified: 0,
      rate: 0,
      room: 3,
      why: "3 chunks at least, and no more when nothing arrives",
    },
    { held: [200, 200], verified: 100, rate: mebibyte, room: 3.4, why: "hardly any on a slow line" },
    { held: [100, 100], verified: 101, rate: fast, room: 4.2, why: "fewer when we are ahead" },
    { held: [100, 100], verified: 200, rate: fast, room: 3.2, why: "but not so few that our line runs dry" },
    { held: [0, 104], verified: 100, rate: fast, room: 9.2, why: "who has nothing yet is not counted" },
  ])("$why: $held against $verified", ({ held, verified, rate, room }) => {
    expect(swarmRoomChunks(tableOf(...held), verified, rate, 0)).toBeCloseTo(room, 5);
  });

  test("far away as many as fill the line: one for each 30 ms of the round trip", () => {
    const table = tableOf(100, 100);
    for (const connection of table.connections) connection.roundTripMs = 240;
    expect(swarmRoomChunks(table, 100, 0, 0)).toBe(3);
    const [owing] = table.connections;
    owing!.owedChunks = 1;
    expect(swarmRoomChunks(table, 100, 0, 0)).toBe(8 - 1);
  });
});
