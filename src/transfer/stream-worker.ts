/**
 * Worker entry point: writes chunks to a stream, in the order in which they are named. A thread of its own because a
 * reader that pauses (a player, `tar` on a slow disk) must not stop the download's decisions with it.
 */
import { writeSync } from "node:fs";
import { reasonOf, systemCode } from "../errors.ts";
import { slotOf } from "./chunk-sink.ts";
import type { FromStreamWorker, ToStreamWorker } from "./stream-output.ts";

declare const self: Worker;

/** A stream that must not block says EAGAIN while it is full: a pipe has room again after about so long. */
const fullWaitMs = 2;
const sleeping = new Int32Array(new SharedArrayBuffer(4));

self.onmessage = ({ data }: MessageEvent<ToStreamWorker>) => {
  const { fd, slots, chunk, sizeBytes } = data;
  try {
    writeAll(fd, slotOf(slots, chunk, sizeBytes));
    tell({ kind: "written" });
  } catch (error) {
    tell({ kind: "failed", code: systemCode(error), reason: reasonOf(error) });
  }
};

function tell(message: FromStreamWorker): void {
  self.postMessage(message);
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(fd, bytes, written, bytes.length - written);
    } catch (error) {
      if (systemCode(error) !== "EAGAIN") throw error;
      Atomics.wait(sleeping, 0, 0, fullWaitMs);
    }
  }
}
