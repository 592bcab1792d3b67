/** Swaps two paths as fast as it can, by way of a third, and tells how often; any further message ends that. */
import { renameSync } from "node:fs";
import { setImmediate } from "node:timers/promises";

declare const self: Worker;

let stopped = false;

self.onmessage = async ({ data }: MessageEvent<{ one: string; other: string; spare: string }>) => {
  self.onmessage = () => {
    stopped = true;
  };
  const { one, other, spare } = data;
  let swaps = 0;
  while (!stopped) {
    for (let i = 0; i < 100; i++, swaps++) {
      renameSync(one, spare);
      renameSync(other, one);
      renameSync(spare, other);
    }
    self.postMessage(swaps);
    await setImmediate();
  }
  self.postMessage("stopped");
};
