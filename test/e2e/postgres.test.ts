/** Several `p2p serve-index` over one PostgreSQL, as processes: a peer at one is found at the other, and survives it. */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PostgresServer, postgresLack } from "../helpers/postgres.ts";
import { Sandbox } from "../helpers/sandbox.ts";
import { until } from "../helpers/until.ts";

describe.skipIf(postgresLack !== undefined)("two indexes over one PostgreSQL", () => {
  test("find what is registered at either, and nothing is lost when one is killed", async () => {
    await using server = await PostgresServer.start();
    await using box = new Sandbox();
    const db = { env: { P2P_DB: await server.database() } };
    const [first, second] = [await box.index([], db), await box.index([], db)];
    const folder = box.newFolder("shared");
    const bytes = randomBytes(3_000_000);
    box.put(folder, "sub/film.mkv", bytes);
    const both = ["--index", second.address];
    const peer = await box.peer(first, folder, [...both, "--settle", "0"]);

    const fetch = async (index: string, to: string) => {
      const query = await box.run(["query", "film.mkv", "--index", index, "-o", to]);
      expect(query.stderr).not.toContain("error");
      return query.exitCode;
    };
    const out = join(box.newFolder("out"), "film.mkv");
    expect(await fetch(second.address, out)).toBe(0);
    expect(readFileSync(out).equals(bytes)).toBe(true);

    first.process.kill("SIGKILL");
    await first.process.exit();
    await peer.process.waitForEvent("registered", {
      where: ({ again }) => again === true,
      timeoutMs: 20_000,
    });
    const found = async () => (await box.run(["search", "film", "--index", second.address])).stdout;
    await until(async () => (await found()).includes("1 source"));
    const again = join(box.newFolder("out"), "film.mkv");
    expect(await fetch(second.address, again)).toBe(0);
    expect(readFileSync(again).equals(bytes)).toBe(true);
  }, 60_000);

  test("the URL's password is in nothing that is said", async () => {
    await using box = new Sandbox();
    const url = "postgres://p2p:very-secret@127.0.0.1:1/nothing";
    const index = await box.run(["serve-index", "--port", "0", "--json"], { env: { P2P_DB: url } });
    expect(index.exitCode).toBe(7);
    expect(index.stdout + index.stderr).toContain("postgres://127.0.0.1:1/nothing");
    expect(index.stderr.trim().split("\n")).toHaveLength(1);
    expect(index.stdout + index.stderr).not.toContain("very-secret");
  });

  test("a % in the URL that stands for nothing: one line, exit 2", async () => {
    await using box = new Sandbox();
    const url = "postgres://p2p:very%zzsecret@127.0.0.1:1/nothing";
    const index = await box.run(["serve-index", "--port", "0"], { env: { P2P_DB: url } });
    expect(index.exitCode).toBe(2);
    expect(index.stderr).toContain("write %25 for a %");
    expect(index.stderr.trim().split("\n")).toHaveLength(1);
    expect(index.stdout + index.stderr).not.toContain("secret");
  });
});
