/** The store in a PostgreSQL keeps the contract, on a real server. */
import { contractTests } from "./contract.ts";
import { describeWithPostgres } from "./open-postgres.ts";

describeWithPostgres("a catalog in PostgreSQL", (running) => {
  contractTests("postgres", (options) => running.stores.open(options));
});
