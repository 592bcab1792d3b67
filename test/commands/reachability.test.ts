import { expect, test } from "bun:test";
import { reachabilityWarnings } from "../../src/commands/reachability.ts";
import { openNetwork } from "../../src/trust/network.ts";

const local = { host: "127.0.0.1", port: 7766 };
const remote = { host: "10.0.0.5", port: 7766 };

test.each([
  ["on one machine", { host: "127.0.0.1", network: openNetwork([local]), port: 7767 }, []],
  ["open, by the machine's address", { host: "0.0.0.0", network: openNetwork([remote]), port: 7767 }, []],
  [
    "closed, but the index is elsewhere",
    { host: "127.0.0.1", network: openNetwork([remote]), port: 7767 },
    ["add --host"],
  ],
  [
    "open, but the index sees 127.0.0.1",
    { host: "0.0.0.0", network: openNetwork([local]), port: 7767 },
    ["give --index"],
  ],
  [
    "open, on a port by chance",
    { host: "0.0.0.0", network: openNetwork([remote]), port: 40_000 },
    ["--port"],
  ],
])("%s", (_, given, expected) => {
  const warnings = reachabilityWarnings({ wantedPort: undefined, ...given });
  expect(warnings).toHaveLength(expected.length);
  for (const [i, words] of expected.entries()) expect(warnings[i]).toContain(words);
});

test("a port that was asked for is nobody's surprise", () => {
  expect(
    reachabilityWarnings({
      host: "0.0.0.0",
      network: openNetwork([remote]),
      port: 40_000,
      wantedPort: 40_000,
    }),
  ).toEqual([]);
});
