/** Has a whole database checked or tidied up in a thread of its own, and waits for that. */
import { LocalIoError } from "../../errors.ts";
import { unlessAborted } from "../../shutdown.ts";
import { workerUrl } from "../../worker-url.ts";
import type { DatabaseReport } from "./database-check.ts";
import type { DatabaseAnswer, DatabaseOrder } from "./database-messages.ts";

/** Throws LocalIoError, or the signal's reason. */
export async function checkedDatabase(path: string, signal: AbortSignal): Promise<DatabaseReport> {
  const answer = await done({ do: "check", path }, signal);
  if (answer.type !== "checked") throw new Error(`the answer to check was ${answer.type}`);
  return answer.report;
}

/** Throws LocalIoError, also when an index is using it, or the signal's reason. */
export async function vacuumDatabase(path: string, signal: AbortSignal): Promise<void> {
  await done({ do: "vacuum", path }, signal);
}

async function done(order: DatabaseOrder, signal: AbortSignal): Promise<DatabaseAnswer> {
  const worker = new Worker(workerUrl("index-server/sqlite/database-worker.ts"));
  const { promise, resolve, reject } = Promise.withResolvers<DatabaseAnswer>();
  worker.onmessage = ({ data }: MessageEvent<DatabaseAnswer>) => {
    if (data.type === "failed") reject(new LocalIoError(data.message));
    else resolve(data);
  };
  worker.onerror = (event) => reject(new Error(`the database worker failed: ${event.message}`));
  worker.postMessage(order);
  try {
    return await unlessAborted(promise, signal);
  } finally {
    worker.terminate();
  }
}
