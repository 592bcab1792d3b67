/** Swaps two paths as fast as it can, by way of a third, and tells how often; any further message ends that. */
import { renameSync } from "node:fs";
import { setImmediate } from "node:timers/promises";

declare const self: Worker;

interface Swap {
  one: string;
  other: string;
  spare: string;
}

let stopped = false;
let inTheWay = 0;

self.onmessage = async ({ data }: MessageEvent<Swap>) => {
  self.onmessage = () => {
    stopped = true;
  };
  const { one, other, spare } = data;
  let swaps = 0;
  while (!stopped) {
    for (let i = 0; i < 100; i++, swaps++) {
      renameSync(one, spare);
      moveOver(other, one, spare);
      renameSync(spare, other);
    }
    self.postMessage(swaps);
    await setImmediate();
  }
  self.postMessage("stopped");
};

/** What somebody else has made there in between goes out of the way. */
function moveOver(from: string, to: string, spare: string): void {
  try {
    renameSync(from, to);
  } catch {
    renameSync(to, `${spare}.${++inTheWay}`);
    renameSync(from, to);
  }
}
