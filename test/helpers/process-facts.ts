/** What Linux says of a running process. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The most memory it had at any time. */
export function peakBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]) * 1024;
}

/** The memory it has now. */
export function residentBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s*(\d+) kB/.exec(status)?.[1]) * 1024;
}

/**
 * The same of one that may end at any moment, by looking again and again. (What the system tells of it afterwards
 * includes the memory of who started it.)
 */
export class PeakMemory implements Disposable {
  bytes = 0;
  private readonly timer: Timer;

  constructor(pid: number) {
    this.timer = setInterval(() => {
      try {
        this.bytes = peakBytesOf(pid) || this.bytes;
      } catch {
        // It has ended, or this is no Linux.
      }
    }, 5);
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }
}

/** User and system time so far, in steps of 10 ms. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in brackets may hold blanks; utime and stime are the 14th and 15th of all fields.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function openFilesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Of its open files those that are connections, or are listened on. */
export function openSocketsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => isSocket(`/proc/${pid}/fd/${fd}`)).length;
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith("socket:");
  } catch {
    // It was closed meanwhile.
    return false;
  }
}
