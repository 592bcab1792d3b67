/** `p2p serve-index --http` and `p2p index check|vacuum|export` as people and scripts use them. */
import { expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LineClient } from "../helpers/line-client.ts";
import { parsePrometheus, sampleOf } from "../helpers/prometheus.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import { entryOf } from "../helpers/swarm.ts";

const entries = (count: number) =>
  Array.from({ length: count }, (_, i) => entryOf(`d/${i} é`, Buffer.from(`${i}`)));

test("--http: metrics and health on loopback, said in the first event; a port that is taken is exit 7", async () => {
  await using box = new Sandbox();
  const index = await box.index(["--db", ":memory:", "--http", "0"]);
  const { http } = await index.process.waitForEvent("listening");
  expect(String(http)).toMatch(/^127\.0\.0\.1:\d+$/);
  await using client = await LineClient.greeted(index.port);
  await client.request({ type: "REGISTER", id: 1, port: 7767, files: entries(3) });
  const families = parsePrometheus(await (await fetch(`http://${http}/metrics`)).text());
  expect(sampleOf(families, "p2p_index_files")).toBe(3);
  for (const page of ["healthz", "readyz"]) expect((await fetch(`http://${http}/${page}`)).status).toBe(200);

  const second = await box.run(["serve-index", "--port", "0", "--db", ":memory:", "--http", String(http)]);
  expect(second.exitCode, second.said()).toBe(7);
  expect(second.stderr).toBe(
    `p2p: cannot listen on ${http} for --http: the port is in use (EADDRINUSE); choose another port with --http PORT\n`,
  );
  const open = await box.run(["serve-index", "--port", "0", "--db", ":memory:", "--http", "0.0.0.0:0"]);
  expect([open.exitCode, open.stderr.includes("--open")]).toEqual([2, true]);
  index.process.kill("SIGTERM");
  expect(await index.process.exit(), index.process.said()).toBe(0);
});

test("check and export while the index runs, vacuum once it has ended", async () => {
  await using box = new Sandbox();
  const db = join(box.folder, "index.db");
  const index = await box.index(["--db", db]);
  {
    await using client = await LineClient.greeted(index.port);
    const files = entries(1_500);
    await client.request({ type: "REGISTER", id: 1, port: 7767, files });

    const check = await box.run(["index", "check", "--db", db, "--json"]);
    expect(check.exitCode, check.said()).toBe(0);
    expect(check.events).toMatchObject([{ event: "checked", db, peers: 1, holdings: 1_500, problems: 0 }]);
    const words = await box.run(["index", "check"], { env: { P2P_DB: db } });
    expect(words.stdout).toContain("1 peer, 1,500 names, 1,500 holdings: nothing is wrong\n");

    const exported = await box.run(["index", "export", "--db", db]);
    expect(exported.exitCode, exported.said()).toBe(0);
    expect(exported.events).toHaveLength(1_500);
    expect(exported.events[0]).toEqual({
      event: "holding",
      host: "127.0.0.1",
      port: 7767,
      complete: true,
      ...(files[0] as object),
    });

    const vacuum = await box.run(["index", "vacuum", "--db", db]);
    expect([vacuum.exitCode, vacuum.stdout], vacuum.said()).toEqual([7, ""]);
    expect(vacuum.stderr).toContain("in use by another index");
  }
  index.process.kill("SIGTERM");
  await index.process.exit();
  const before = statSync(db).size;
  const vacuum = await box.run(["index", "vacuum", "--db", db, "--json"]);
  expect(vacuum.exitCode, vacuum.said()).toBe(0);
  expect(vacuum.events).toMatchObject([{ event: "vacuumed", db }]);
  expect(statSync(db).size).toBeLessThanOrEqual(before);
  expect((await box.run(["index", "check", "--db", db])).exitCode).toBe(0);
});

test("an export whose reader has enough ends quietly", async () => {
  await using box = new Sandbox();
  const db = join(box.folder, "index.db");
  const index = await box.index(["--db", db]);
  await using client = await LineClient.greeted(index.port);
  await client.request({ type: "REGISTER", id: 1, port: 7767, files: entries(2_000) });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is for bash
  const script = 'set -o pipefail; "$0" index export --db "$1" | head -n 1; echo "codes ${PIPESTATUS[0]}"';
  const child = Bun.spawn(["bash", "-c", script, box.binary, db], {
    env: box.environment(box.newFolder("home")),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const [first, codes] = stdout.trimEnd().split("\n");
  expect(JSON.parse(first ?? "")).toMatchObject({ event: "holding" });
  expect([codes, stderr]).toEqual(["codes 0", ""]);
});

test("what is wrong is said in one line, with its exit code", async () => {
  await using box = new Sandbox();
  const db = join(box.folder, "index.db");
  const index = await box.index(["--db", db]);
  await using client = await LineClient.greeted(index.port);
  await client.request({ type: "REGISTER", id: 1, port: 7767, files: entries(2_000) });
  index.process.kill("SIGTERM");
  await index.process.exit();
  const hole = join(box.folder, "hole.db");
  writeFileSync(hole, readFileSync(db).fill(0xaa, 8192, 90_000));
  const cases: [argv: string[], exit: number, says: RegExp][] = [
    [["chek"], 2, /^p2p: unknown action chek of p2p index \(did you mean check\?\)\n$/],
    [[], 2, /^p2p: missing argument ACTION/],
    [["check", "--db", ":memory:"], 2, /^p2p: an index in memory has no file: name one with --db\n$/],
    [["check", "--db", "/nowhere/index.db"], 7, /^p2p: there is no database \/nowhere\/index.db\n$/],
    [["export", "--db", "/nowhere/index.db"], 7, /^p2p: there is no database/],
    [["vacuum", "--db", "/nowhere/index.db"], 7, /^p2p: there is no database/],
    [["check", "--db", hole], 7, /^p2p: the database .* is (damaged|not right).*\n$/],
    [["export", "--db", hole], 7, /^p2p: the database .* is damaged.*\n$/],
  ];
  await Promise.all(
    cases.map(async ([argv, exit, says]) => {
      const run = await box.run(["index", ...argv]);
      expect(run.exitCode, run.said()).toBe(exit);
      expect(run.stderr, run.said()).toMatch(says);
    }),
  );
});
