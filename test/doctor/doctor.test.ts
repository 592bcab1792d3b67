/** What `p2p doctor` says of a healthy machine, and of what can be wrong with one. */
import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync } from "node:fs";
import { clock } from "../../src/doctor/check-index.ts";
import { checkFileLimit, checkState, checkWatching } from "../../src/doctor/check-system.ts";
import { examine } from "../../src/doctor/doctor.ts";
import type { Finding } from "../../src/doctor/finding.ts";
import { IndexServer } from "../../src/index-server/server.ts";
import type { Network } from "../../src/trust/network.ts";
import { alice, bob, mallory } from "../helpers/memberships.ts";
import { temporaryFolder } from "../library/temporary-folder.ts";

const host = "127.0.0.1";
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startIndex(): Promise<number> {
  const log = { info() {}, warn() {}, error() {} };
  const secure = { identity: alice.identity, purpose: "index" as const, membership: () => alice };
  const server = await IndexServer.start({ host, port: 0, databasePath: ":memory:", log, secure });
  cleanups.push(() => server.stop());
  return server.port;
}

/** By what was looked at. */
async function found(network: Network, port = 0): Promise<Map<string, Finding>> {
  using folder = temporaryFolder();
  const findings = new Map<string, Finding>();
  const { path } = folder;
  const places = { folder: path, target: path, state: path };
  await examine(
    { network, host, port, advertise: undefined, peer: undefined, threads: 1, ...places },
    (finding) => findings.set(finding.check, finding),
    new AbortController().signal,
  );
  expect(readdirSync(path)).toEqual([]);
  return findings;
}

const indexAt = (port: number) => [{ host, port, fingerprints: [alice.identity.fingerprint] }];

describe("a machine", () => {
  test("with which all is well", async () => {
    const findings = await found({ indexes: indexAt(await startIndex()), membership: bob }, 17_767);
    const ill = [...findings.values()].filter(({ status }) => status === "fail");
    expect(ill).toEqual([]);
    expect(findings.get("index")?.detail).toContain("private network, fingerprint");
    expect(findings.get("clock")?.status).toBe("ok");
    expect(findings.get("reachable")?.detail).toContain(`found this machine at ${host}:17767`);
  });

  test("whose index is not there", async () => {
    const findings = await found({ indexes: indexAt(9), membership: bob });
    expect(findings.get("index")).toMatchObject({
      status: "fail",
      mend: expect.stringContaining("serve-index"),
    });
    expect(findings.has("reachable")).toBe(false);
    expect(findings.get("disk")?.status).not.toBe("fail");
  });

  test("that has another network's token", async () => {
    const findings = await found({ indexes: indexAt(await startIndex()), membership: mallory });
    expect(findings.get("index")).toMatchObject({
      status: "fail",
      mend: expect.stringContaining("p2p join"),
    });
  });
});

test.each([
  [1_000_000, 1_000_000, "ok"],
  [1_000_000, 1_004_000, "ok"],
  [1_000_000, 996_000, "ok"],
  [1_000_000, 4_600_000, "warn"],
  [4_600_000, 1_000_000, "warn"],
] as const)("a clock: the index has %d, we have %d: %s", (timeMs, nowMs, status) =>
  expect(clock({ timeMs }, nowMs).status).toBe(status),
);

test("an index that does not tell its time is no reason for a warning", () => {
  expect(clock({}).status).toBe("skipped");
});

test("few open files are worth a warning, with what raises them", () => {
  expect(checkFileLimit(1_024)).toMatchObject({ status: "warn", mend: expect.stringContaining("ulimit -n") });
  expect(checkFileLimit(65_536).status).toBe("ok");
});

test.skipIf(process.platform !== "linux")("folders are counted as they would be watched", async () => {
  using folder = temporaryFolder();
  for (const name of ["a/b/c/1", "a/b/2", "d/3", "4"]) folder.write(name, "x");
  const { detail } = await checkWatching(folder.path, new AbortController().signal);
  expect(detail).toMatch(/^5 folders of at most \d+/);
  const none = await checkWatching(folder.at("missing"), new AbortController().signal);
  expect(none.status).toBe("skipped");
});

test("a state folder that others may write to fails", () => {
  using folder = temporaryFolder();
  chmodSync(folder.path, 0o770);
  expect(checkState(folder.path)).toMatchObject({ status: "fail", mend: `chmod go-w ${folder.path}` });
});

test("secrets that others may read are said, with what mends it", () => {
  using folder = temporaryFolder();
  folder.write("identity.pem", "secret");
  chmodSync(folder.at("identity.pem"), 0o644);
  mkdirSync(folder.at("networks"), { mode: 0o700 });
  expect(checkState(folder.path)).toMatchObject({
    status: "fail",
    detail: expect.stringContaining("others may read identity.pem in"),
    mend: expect.stringContaining("chmod -R go-rwx"),
  });
  chmodSync(folder.at("identity.pem"), 0o600);
  expect(checkState(folder.path).status).toBe("ok");
  expect(checkState(folder.at("missing")).status).toBe("ok");
});
