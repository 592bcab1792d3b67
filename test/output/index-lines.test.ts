/** What `ls`, `peers`, `stats` and `index` say in words. */
import { expect, test } from "bun:test";
import { eventLines } from "../../src/output/event-lines.ts";
import type { IndexEvent } from "../../src/output/index-events.ts";

const root = "0123456789abcdef".repeat(4);
const md5 = "0".repeat(32);
const stats = { peers: 2, files: 20, names: 18, connections: 5, queries: 1234, seconds: 3600 };
const checked = { schema: 2, bytes: 4096, peers: 1, entries: 2, holdings: 3 };

const cases: [IndexEvent, string[]][] = [
  [{ event: "entry", name: "d/sub", folder: true }, [" folder                            sub/"]],
  [
    { event: "entry", name: "d/a b", folder: false, size: 999, md5, root, sources: 3 },
    ["  999 B  0123456789ab   3 sources  a b"],
  ],
  [
    { event: "peer", peer: "12", host: "::1", port: 7767, files: 1, seconds: 61 },
    ["[::1]:7767  1 file, registered for 1:01"],
  ],
  [
    { event: "peer", peer: "12", host: "10.0.0.5", port: 1, fingerprint: root, files: 2, seconds: 61 },
    ["10.0.0.5:1  2 files, registered for 1:01  0123456789abcdef"],
  ],
  [
    { event: "stats", index: "a:1", ...stats, memoryBytes: 60e6, storage: "sqlite" },
    [
      "index        a:1, for 1:00:00",
      "files        20 files of 2 peers, 18 names",
      "connections  5",
      "queries      1,234",
      "memory       60.0 MB",
      "storage      sqlite",
    ],
  ],
  [
    { event: "checked", db: "/d", ...checked, problems: 0 },
    ["/d: schema 2, 4.10 kB, 1 peer, 2 names, 3 holdings: nothing is wrong"],
  ],
  [
    { event: "checked", db: "/d", ...checked, problems: 1 },
    ["/d: schema 2, 4.10 kB, 1 peer, 2 names, 3 holdings: 1 problem found"],
  ],
  [{ event: "problem", message: "x" }, ["problem: x"]],
  [
    { event: "vacuumed", db: "/d", bytesBefore: 2000, bytes: 1000, seconds: 1.5 },
    ["/d: 2.00 kB before, 1.00 kB now, in 1.5 s"],
  ],
  [{ event: "executed", name: "a", root, exit: 3, seconds: 1 }, []],
];

test.each(cases.map(([event, lines]) => [event.event, lines, event] as const))(
  "%s: %p",
  (_name, lines, event) => {
    expect(eventLines(event)).toEqual([...lines]);
  },
);

test("no event brings control characters to a screen", () => {
  const evil = "\u001b[2J\u009b1m\u202ex\n";
  const events: IndexEvent[] = [
    { event: "entry", name: evil, folder: true },
    { event: "entry", name: evil, folder: false, size: 1, md5: evil, root: evil, sources: 1 },
    { event: "peer", peer: evil, host: evil, port: 1, files: 1, seconds: 1 },
    { event: "stats", index: evil, ...stats, memoryBytes: 1, storage: evil },
    { event: "checked", db: evil, ...checked, problems: 1 },
    { event: "problem", message: evil },
    { event: "vacuumed", db: evil, bytesBefore: 1, bytes: 1, seconds: 1 },
  ];
  for (const event of events) {
    const said = eventLines(event);
    expect(said.length).toBeGreaterThan(0);
    for (const line of said) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  }
});
