/** Catalogs in databases of a test server. To make the tables takes longer than most tests, so they are copied. */
import { afterAll, beforeAll, describe } from "bun:test";
import type { Catalog } from "../../src/index-server/catalog.ts";
import { openPostgresCatalog, type PostgresOptions } from "../../src/index-server/postgres/open.ts";
import { PostgresServer, postgresLack } from "../helpers/postgres.ts";
import { RecordingListener, Store, type StoreOptions } from "./open-store.ts";

/** Looks at the others ten times a second. */
export const brisk = { tickMs: 100, beatMs: 200 };
/** And takes them for dead after two seconds, and buries them after four. */
export const hasty = { ...brisk, deadMs: 2_000, buryMs: 4_000 };

export class PostgresStores {
  private template: Promise<string> | undefined;

  constructor(private readonly server: PostgresServer) {}

  /** Of a database with the tables, and nothing in them. */
  async url(): Promise<string> {
    this.template ??= this.makeTemplate();
    return this.server.database(await this.template);
  }

  async open({ listener, limits }: StoreOptions): Promise<Catalog> {
    const options = limits === undefined ? {} : { limits };
    return openPostgresCatalog(
      await this.url(),
      { chance: Math.random, connections: 2, ...options },
      listener,
    );
  }

  private async makeTemplate(): Promise<string> {
    const url = await this.server.database();
    const catalog = await openPostgresCatalog(url, { chance: Math.random }, new RecordingListener());
    await catalog.close();
    return new URL(url).pathname.slice(1);
  }
}

export interface RunningPostgres {
  server: PostgresServer;
  stores: PostgresStores;
}

/** Tests with a server of their own, which is there while they run; skipped where there is no PostgreSQL. */
export function describeWithPostgres(title: string, tests: (running: RunningPostgres) => void): void {
  describe.skipIf(postgresLack !== undefined)(title, () => {
    const running = {} as RunningPostgres;
    beforeAll(async () => {
      running.server = await PostgresServer.start();
      running.stores = new PostgresStores(running.server);
    }, 60_000);
    afterAll(() => running.server[Symbol.asyncDispose]());
    tests(running);
  });
}

/** One of several processes that share the database. */
export async function openShared(url: string, times: PostgresOptions["times"] = {}): Promise<Store> {
  const listener = new RecordingListener();
  return new Store(
    await openPostgresCatalog(url, { chance: Math.random, connections: 2, times }, listener),
    listener,
  );
}
