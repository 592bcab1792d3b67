/** The store in a PostgreSQL keeps the contract, on a real server. */
import { afterAll, beforeAll, describe } from "bun:test";
import { PostgresServer, postgresLack } from "../helpers/postgres.ts";
import { contractTests } from "./contract.ts";
import { PostgresStores } from "./open-postgres.ts";

describe.skipIf(postgresLack !== undefined)("a catalog in PostgreSQL", () => {
  let server: PostgresServer;
  let stores: PostgresStores;

  beforeAll(async () => {
    server = await PostgresServer.start();
    stores = new PostgresStores(server);
  }, 60_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  contractTests("postgres", (options) => stores.open(options));
});
