/**
 * Hands bytes of a file to a socket inside the kernel (`sendfile`): nobody copies them, which is most of what serving
 * costs. Linux only, where libc.so.6 can be opened; elsewhere `sendFile` always returns 0, and whoever serves reads and
 * writes.
 */
import { dlopen, FFIType } from "bun:ffi";

type Call = (socketFd: number, fileFd: number, offset: BigInt64Array, length: number) => number;

/** Where the kernel reads the offset from, and leaves the next one. */
const position = new BigInt64Array(1);
let call: Call | undefined;
let isLookedUp = false;
let isOn = true;

/** There is such a call, and it is not switched off. */
export function canSendFiles(): boolean {
  if (!isLookedUp) call = lookUp();
  isLookedUp = true;
  return isOn && call !== undefined;
}

/**
 * Returns how many bytes the kernel took, without waiting for room. What fewer than asked for mean (no room, the end of
 * the file, a file system that cannot, a broken connection) is not told, nor when there is room again: a `write` of
 * Bun's that comes next tells. What was taken are pages of the file: they may still change until they have arrived.
 */
export function sendFile(socketFd: number, fileFd: number, offset: number, length: number): number {
  if (!canSendFiles() || call === undefined || socketFd < 0) return 0;
  position[0] = BigInt(offset);
  // At most 2 GiB at once, and -1 for every failure. Of a broken connection no signal comes: Bun ignores SIGPIPE.
  return Math.max(0, call(socketFd, fileFd, position, length));
}

/** In this thread; for tests of the other way. */
export function useSendFile(on: boolean): void {
  isOn = on;
}

function lookUp(): Call | undefined {
  // Finding the C library that there is not costs time elsewhere.
  if (process.platform !== "linux") return undefined;
  try {
    const { symbols } = dlopen("libc.so.6", {
      sendfile: { args: [FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.u64], returns: FFIType.i64_fast },
    });
    return (socketFd, fileFd, offset, length) => Number(symbols.sendfile(socketFd, fileFd, offset, length));
  } catch {
    // Nothing opens by that name, or memory may not be made executable: the other way works everywhere.
    return undefined;
  }
}
