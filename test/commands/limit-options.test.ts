/** From the options of a server to its limits. */
import { expect, test } from "bun:test";
import { connectionLimitsOf } from "../../src/commands/limit-options.ts";
import { declaration as peer } from "../../src/commands/peer.ts";
import { declaration as query } from "../../src/commands/query.ts";
import { declaration as serveIndex } from "../../src/commands/serve-index.ts";
import { hostLimitsOf, uploadLimitsOf } from "../../src/commands/transfer-limit-options.ts";
import { indexConnectionLimits, peerConnectionLimits } from "../../src/net/connection-limits.ts";
import { resolveOptions } from "../../src/options/resolve.ts";
import { usualHostLimits } from "../../src/transfer/host-limits.ts";
import { usualUploadLimits } from "../../src/transfer/upload-limits.ts";

const warned: string[] = [];
const log = { warn: (line: string) => void warned.push(line) };

function limitsOf(argv: string[], environment: Record<string, string> = {}) {
  const options = resolveOptions(serveIndex, { argv, environment, config: undefined });
  return connectionLimitsOf(options, indexConnectionLimits, log);
}

test("nobody has set anything: what is usual, and loopback is not counted", () => {
  const options = resolveOptions(peer, { argv: [], environment: {}, config: undefined });
  expect(connectionLimitsOf(options, peerConnectionLimits, log)).toEqual(peerConnectionLimits);
});

test("each has a flag and a variable; a limit for each address that is set counts loopback", () => {
  const argv = ["--max-connections=9", "--max-connections-per-address=8", "--max-pending-connections=7"];
  const environment = {
    P2P_MAX_NEW_CONNECTIONS_PER_ADDRESS: "6",
    P2P_MAX_FAILED_PROOFS_PER_ADDRESS: "5",
    P2P_HANDSHAKE_TIMEOUT: "0.5",
    P2P_IDLE_TIMEOUT: "4",
    P2P_WRITE_TIMEOUT: "3",
  };
  expect(limitsOf(argv, environment)).toEqual({
    total: 9,
    pending: 7,
    perAddress: { most: 8, countsLoopback: true },
    newPerAddress: { most: 6, countsLoopback: true },
    failedProofsPerAddress: { most: 5, countsLoopback: true },
    handshakeTimeoutMs: 500,
    idleTimeoutMs: 4_000,
    writeTimeoutMs: 3_000,
  });
});

test("so have those of transfers", () => {
  const argv = [
    "--upload-slots=2",
    "--max-uploads=3",
    "--max-open-files=4",
    "--max-connections-to-address=5",
  ];
  const environment = { P2P_MAX_UPLOADS_PER_ADDRESS: "6", P2P_MAX_ATTEMPTS_TO_ADDRESS: "7" };
  const options = resolveOptions(peer, { argv, environment, config: undefined });
  expect(uploadLimitsOf(options)).toEqual({
    slots: 2,
    perAddress: { most: 6, countsLoopback: true },
    total: 3,
    openFiles: 4,
  });
  expect(hostLimitsOf(options)).toEqual({
    connections: { most: 5, countsLoopback: true },
    attempts: { most: 7, countsLoopback: true },
  });
  const usual = resolveOptions(query, { argv: ["a"], environment: {}, config: undefined });
  expect(uploadLimitsOf(usual)).toEqual(usualUploadLimits);
  expect(hostLimitsOf(usual)).toEqual(usualHostLimits);
});

test.each([
  "--max-connections=0",
  "--max-peers-per-address=-1",
  "--idle-timeout=0",
  "--max-files-per-peer=x",
])("%s is no limit", (flag) => expect(() => limitsOf([flag])).toThrow(/bad value/));

test.skipIf(process.platform !== "linux")("more than there are files to open is said", () => {
  warned.length = 0;
  const { total } = limitsOf(["--max-connections=999999999"]);
  expect(total).toBeLessThan(999_999_999);
  expect(warned).toEqual([expect.stringContaining(`at most ${total} connections instead of 999999999`)]);
});
