/** Whether this machine is one where two messages can be hashed at a time, from another source than the code. */
import { readFileSync } from "node:fs";

export const canHashPairs =
  process.platform === "linux" &&
  process.arch === "x64" &&
  /\bsha_ni\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
