/** How many connections a download opens, and to whom. */
import { describe, expect, test } from "bun:test";
import { Bitfield } from "../../src/content/bitfield.ts";
import { planConnections } from "../../src/transfer/connection-plan.ts";
import { ChunkPicker } from "../../src/transfer/pick.ts";
import { SourceTable } from "../../src/transfer/source-table.ts";

/** Opens what is planned until nothing more is, each connection with its source's round trip; returns hosts in order. */
function connected(
  sources: readonly { roundTripMs: number; partial?: boolean }[],
  { maxConnections = 8, chunks = 256, areFiles = false } = {},
): string[] {
  const table = new SourceTable(() => 0.999);
  const picker = new ChunkPicker(new Bitfield(chunks), { random: () => 0 });
  const files = areFiles ? new Bitfield(chunks) : undefined;
  const addresses = sources.map(({ partial = false }, i) => ({
    host: `10.0.0.${i + 1}`,
    port: 1,
    partial,
    files,
  }));
  table.list(addresses, true);
  for (const source of table.all) source.useful = chunks;
  const hosts: string[] = [];
  for (;;) {
    const { connect } = planConnections(table, picker, maxConnections, 0);
    if (connect.length === 0) return hosts;
    for (const source of connect) {
      const connection = table.openTo(source, 0);
      const at = addresses.findIndex(({ host }) => host === source.host);
      Object.assign(connection, { ready: true, roundTripMs: sources[at]!.roundTripMs });
      hosts.push(source.host.slice(-1));
    }
  }
}

const near = { roundTripMs: 0.3 };
const far = { roundTripMs: 20 };
const partial = { roundTripMs: 0.3, partial: true };

describe("connections of a download", () => {
  test.each([
    { sources: [near], hosts: "1111", why: "four to an only source" },
    { sources: [near, near, near], hosts: "1231", why: "near ones: four in all" },
    { sources: Array<typeof near>(6).fill(near), hosts: "123456", why: "near ones: one to each" },
    { sources: Array<typeof near>(12).fill(near), hosts: "12345678", why: "no more than may be" },
    { sources: [far, far], hosts: "12121212", why: "far ones: as many as may be, four to each at most" },
    { sources: [near, far, far], hosts: "12312323", why: "more to the far ones only" },
    { sources: [near, near, partial], hosts: "12312121", why: "who shares it with others: as before" },
  ])("$why", ({ sources, hosts }) => {
    expect(connected(sources).join("")).toBe(hosts);
  });

  test.each([
    { sources: [near], chunks: 2_000, hosts: "1", why: "one to a near source" },
    { sources: [near, near], chunks: 2_000, hosts: "12", why: "one to each near source" },
    { sources: [near], chunks: 10_000, hosts: "111", why: "one for each thread that it is worth" },
    { sources: [near], chunks: 100_000, hosts: "1111", why: "no more than for one content" },
    { sources: [near, far], chunks: 2_000, hosts: "12222", why: "several to a far one" },
  ])("of files: $why", ({ sources, chunks, hosts }) => {
    expect(connected(sources, { chunks, areFiles: true }).join("")).toBe(hosts);
  });
});
