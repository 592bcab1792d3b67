/**
 * Worker entry point: one thread that serves. Listens on the peer's port together with its siblings (the kernel
 * spreads the connections), reads shared files and sends them. What is shared it asks the uploader.
 */
import { monotonicMs } from "../clock.ts";
import { reasonOf, systemCode } from "../errors.ts";
import { Listener } from "../net/listener.ts";
import { OpenContents } from "./open-contents.ts";
import { UploadConnection } from "./upload-connection.ts";
import type { FromUploadWorker, ToUploadWorker } from "./upload-messages.ts";

declare const self: Worker;

const housekeepingIntervalMs = 1_000;

let listener: Listener | undefined;
let servedBytes = 0;
let reportedConnections = 0;
const contents = new OpenContents(
  (root) => tell({ kind: "find", root }),
  (path) => tell({ kind: "changed", path }),
);

const housekeeping = setInterval(() => {
  contents.closeIdle(monotonicMs());
  const connections = listener?.connectionCount ?? 0;
  if (servedBytes === 0 && connections === reportedConnections) return;
  tell({ kind: "served", bytes: servedBytes, connections });
  servedBytes = 0;
  reportedConnections = connections;
}, housekeepingIntervalMs);

self.onmessage = (event: MessageEvent<ToUploadWorker>) => {
  const message = event.data;
  if (message.kind === "listen") listen(message);
  else if (message.kind === "content") contents.answer(message.root, message.content, monotonicMs());
  else stop();
};

function tell(message: FromUploadWorker): void {
  self.postMessage(message);
}

function listen({
  host,
  port,
  reusePort,
  maxConnections,
  maxConnectionsPerHost,
}: ToUploadWorker & { kind: "listen" }): void {
  try {
    listener = new Listener({
      host,
      port,
      reusePort,
      maxConnections,
      maxConnectionsPerHost,
      accept: (connection) => new UploadConnection(connection, contents, count, tellBug),
    });
    tell({ kind: "listening" });
  } catch (error) {
    tell({ kind: "listen-failed", code: systemCode(error), reason: reasonOf(error) });
  }
}

function tellBug(error: Error): void {
  tell({ kind: "bug", reason: error.stack ?? String(error) });
}

function count(bytes: number): void {
  servedBytes += bytes;
}

function stop(): void {
  clearInterval(housekeeping);
  listener?.stop();
  contents.closeAll();
  tell({ kind: "stopped" });
}
