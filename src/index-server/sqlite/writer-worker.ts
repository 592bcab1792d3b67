/** The thread that writes the index's tables: writer.ts with a database of its own. */
import { Database } from "bun:sqlite";
import { monotonicMs } from "../../clock.ts";
import { WantedFiles } from "../wanted-files.ts";
import { ChangeStamps } from "./change-stamps.ts";
import { forWriting } from "./database.ts";
import { PeerPorts } from "./peer-ports.ts";
import { Writer } from "./writer.ts";
import type { FromWriter, ToWriter } from "./writer-messages.ts";

declare const self: Worker;

let database: Database | undefined;
let writer: Writer | undefined;

function tell(message: FromWriter): void {
  postMessage(message);
}

self.onmessage = ({ data }: MessageEvent<ToWriter>) => {
  switch (data.kind) {
    case "open": {
      database = new Database(data.path, { readwrite: true, create: false, strict: true });
      forWriting(database);
      writer = new Writer(database, {
        limits: data.limits,
        keepLeftMs: data.keepLeftMs,
        stamps: new ChangeStamps(data.stamps),
        ports: new PeerPorts(data.ports),
        wanted: new WantedFiles(data.wanted),
        nowMs: monotonicMs,
        soon: (run) => setImmediate(run),
        later: (run, delayMs) => setTimeout(run, delayMs),
        tell,
      });
      return;
    }
    case "join":
      writer?.join(data.slot);
      return;
    case "apply":
      writer?.apply(data);
      return;
    case "survey":
      writer?.survey(data.slot);
      return;
    case "leave":
      writer?.leave(data.slot);
      return;
    case "probe":
      tell({ kind: "probed", problem: writer === undefined ? "it is being opened" : writer.problem() });
      return;
    case "close":
      try {
        writer?.close();
      } finally {
        database?.close(true);
        tell({ kind: "closed" });
      }
      return;
  }
};
