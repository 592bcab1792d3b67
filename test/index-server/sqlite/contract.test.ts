/** The contract of a store, kept by SQLite in memory and on disk. */
import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteCatalog } from "../../../src/index-server/sqlite/sqlite-catalog.ts";
import { WantedFiles } from "../../../src/index-server/wanted-files.ts";
import { maxFilesPerIndex, maxFilesPerPeer } from "../../../src/wire/limits.ts";
import { contractTests } from "../contract.ts";
import type { StoreOptions } from "../open-store.ts";

const usualLimits = { filesPerPeer: maxFilesPerPeer, filesPerIndex: maxFilesPerIndex };
const folder = mkdtempSync(join(tmpdir(), "p2p-contract-"));
let opened = 0;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function open(path: string, { listener, limits = usualLimits }: StoreOptions): Promise<SqliteCatalog> {
  const wanted = new WantedFiles();
  // The listener alone decides here.
  wanted.wantAll(1);
  const warn = (line: string) => listener.failed(line);
  return SqliteCatalog.open({
    path,
    limits,
    wanted,
    listener,
    keepLeftMs: 60_000,
    chance: Math.random,
    warn,
  });
}

contractTests("SQLite in memory", (options) => open(":memory:", options));
contractTests("SQLite on disk", (options) => open(join(folder, `${++opened}`, "index.db"), options));
