/**
 * Worker entry point: one thread that serves. Listens on the peer's port together with its siblings (the kernel
 * spreads the connections), reads shared files and sends them. What is shared it asks the uploader.
 */
import { monotonicMs } from "../clock.ts";
import { reasonOf, systemCode } from "../errors.ts";
import { freeHashPairs } from "../library/hash-pairs.ts";
import { AddressGate } from "../net/gate.ts";
import { Listener, type SecureListening } from "../net/listener.ts";
import { RateLimit } from "../net/rate-limit.ts";
import { useSendFile } from "../net/send-file.ts";
import { Membership } from "../trust/membership.ts";
import { OpenContents } from "./open-contents.ts";
import { UploadConnection } from "./upload-connection.ts";
import type { FromUploadWorker, ToUploadWorker } from "./upload-messages.ts";
import { UploadQueue } from "./upload-queue.ts";

declare const self: Worker;

const housekeepingIntervalMs = 1_000;
/** News that come closer together than this are told at once. */
const newsDelayMs = 5;

let listener: Listener | undefined;
let queue: UploadQueue | undefined;
let gate: AddressGate | undefined;
let membership: Membership | undefined;
let reportedConnections = 0;
let newsTimer: Timer | undefined;
const served = new Map<string, number>();
const connections = new Set<UploadConnection>();
/** Contents of which chunks were promised. */
const promised = new Set<string>();
const contents = new OpenContents(
  (roots) => tell({ kind: "find", roots }),
  (path) => tell({ kind: "changed", path }),
);

const housekeeping = setInterval(() => {
  contents.closeIdle(monotonicMs());
  report();
}, housekeepingIntervalMs);

self.onmessage = (event: MessageEvent<ToUploadWorker>) => {
  const message = event.data;
  switch (message.kind) {
    case "listen":
      listen(message);
      return;
    case "contents":
      contents.answer(message.found, monotonicMs());
      return;
    case "news":
      spread(message.root);
      return;
    case "forget":
      contents.close(message.root);
      tell({ kind: "forgotten", root: message.root });
      return;
    case "bans":
      gate?.ban(message.bans);
      return;
    case "membership":
      membership = Membership.received(message.membership);
      listener?.dropOldMembers();
      return;
    case "stop":
      stop();
      return;
  }
};

function tell(message: FromUploadWorker): void {
  self.postMessage(message);
}

function listen(message: ToUploadWorker & { kind: "listen" }): void {
  const { host, port, reusePort, limits, turnLimits, rateLimit } = message;
  useSendFile(message.sendFiles);
  membership = message.membership && Membership.received(message.membership);
  contents.maxOpenFiles = message.openFiles;
  gate = message.gate && new AddressGate(message.gate);
  queue = new UploadQueue(turnLimits, rateLimit && new RateLimit(rateLimit));
  const context = {
    contents,
    queue,
    served: (root: string, bytes: number) => {
      served.set(root, (served.get(root) ?? 0) + bytes);
    },
    promised: tellOfPromise,
    bug: (error: Error) => tell({ kind: "bug", reason: error.stack ?? String(error) }),
  };
  try {
    listener = new Listener({
      host,
      port,
      reusePort,
      limits,
      gate,
      secure: membership && secureWith(membership),
      accept: (connection) => {
        const upload = new UploadConnection(connection, context, () => connections.delete(upload));
        connections.add(upload);
        return upload;
      },
    });
    tell({ kind: "listening" });
  } catch (error) {
    tell({ kind: "listen-failed", code: systemCode(error), reason: reasonOf(error) });
  }
}

function secureWith(first: Membership): SecureListening {
  return { identity: first.identity, purpose: "peer", membership: () => membership ?? first };
}

/** Only while somebody wants to hear of it, here or in another thread. */
function tellOfPromise(root: string): void {
  const watchers = contents.get(root, monotonicMs())?.offered.board.watchers ?? 0;
  if (watchers === 0) return;
  promised.add(root);
  newsTimer ??= setTimeout(() => {
    newsTimer = undefined;
    for (const each of promised) {
      spread(each);
      tell({ kind: "news", root: each });
    }
    promised.clear();
  }, newsDelayMs);
}

/** To the connections of this thread. */
function spread(root: string): void {
  for (const connection of connections) connection.onNews(root);
}

function report(): void {
  const now = listener?.connectionCount ?? 0;
  if (served.size === 0 && now === reportedConnections) return;
  tell({ kind: "served", bytes: served, connections: now });
  served.clear();
  reportedConnections = now;
}

function stop(): void {
  clearInterval(housekeeping);
  clearTimeout(newsTimer);
  listener?.stop();
  queue?.stop();
  contents.closeAll();
  freeHashPairs();
  report();
  tell({ kind: "stopped" });
}
