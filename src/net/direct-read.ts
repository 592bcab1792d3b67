/**
 * Reads the body that a socket brings straight to where it belongs, past Bun, which would bring it in buffers of its
 * own. Only from inside a `data` handler: what Bun has brought comes first, and Bun sees the end of the stream itself.
 * Not of an encrypted connection: what the kernel has of that is of use to TLS alone.
 */
import { readSync } from "node:fs";
import { systemCode } from "../errors.ts";
import type { FrameReader } from "../wire/framing.ts";

/** A body comes fast when Bun brings as much at once: then more is probably there already. */
export const fastBytes = 128 * 1024;
/**
 * Then other connections of this thread, and messages, have their turn: after some 15 ms. With every turn Bun brings
 * half a MiB the long way, and 4 MiB cost 4 % more than this.
 */
const maxBytes = 16 * 1024 * 1024;
/** The same of small bodies: what has come is told, and more is asked for, long before nothing is under way any more. */
const maxBodies = 64;
/** For the line after a body, and the little of the next body that comes with it. */
const lineAhead = new Uint8Array(1024);

/**
 * Takes what the kernel has of the body that `reader` is in, and of those that follow it. Returns how many bytes were
 * read. Throws what the reader throws.
 */
export function readOn(fd: number, reader: FrameReader): number {
  return fd >= 0 && reader.isInBody ? readAtMost(fd, reader, maxBytes, maxBodies).bytes : 0;
}

export interface Pulled {
  bytes: number;
  /** The stream is over or broken, which Bun tells when it is let. */
  ended: boolean;
}

/**
 * Of a paused connection: takes at most `most` bytes of what has come, from the kernel, or where that cannot be
 * (`fd` negative) of what Bun has brought. Throws what the reader throws.
 */
export function pull(fd: number, reader: FrameReader, most: number): Pulled {
  if (fd < 0) return { bytes: reader.handOn(most), ended: false };
  reader.resume();
  return readAtMost(fd, reader, most);
}

function readAtMost(fd: number, reader: FrameReader, most: number, mostBodies = Infinity): Pulled {
  let bytes = 0;
  let bodies = 0;
  while (bytes < most && !reader.isPaused) {
    const left = most - bytes;
    if (!reader.isInBody && ++bodies > mostBodies) break;
    const read = reader.isInBody
      ? reader.fill((room) => readNow(fd, room.subarray(0, left)))
      : readLines(fd, reader, left);
    if (read <= 0) return { bytes, ended: read === 0 };
    bytes += read;
  }
  return { bytes, ended: false };
}

/** Missing in Bun's types (1.4.5). Negative where there is none, or where (Windows) a socket is no file. */
export function descriptorOf(socket: object): number {
  if (process.platform === "win32") return -1;
  return "fd" in socket && typeof socket.fd === "number" ? socket.fd : -1;
}

function readLines(fd: number, reader: FrameReader, most: number): number {
  const length = readNow(fd, lineAhead.subarray(0, most));
  if (length > 0) reader.push(lineAhead.slice(0, length));
  return length;
}

/** Returns how many bytes were there: -1 for none as yet, 0 at the end of the stream and after an error. */
function readNow(fd: number, room: Uint8Array): number {
  try {
    return readSync(fd, room, 0, room.length, null);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    return code === "EAGAIN" || code === "EINTR" ? -1 : 0;
  }
}
