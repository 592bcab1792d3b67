/**
 * What Linux can do with a name in an open folder and Bun cannot. For many small files: to follow the path of the folder's
 * descriptor costs as much as to open the file, and a link and its removal twice as much as one renaming.
 */
import { dlopen, FFIType } from "bun:ffi";

export interface FolderCalls {
  /** `openat(2)`: the descriptor, or -1. */
  open(folder: number, name: string, flags: number, mode: number): number;
  /** `renameat2(2)`, replacing nothing. False: it was not done. (Not every file system knows that.) */
  renameNew(folder: number, from: string, to: string): boolean;
}

/** By their numbers on every processor for which there is a Bun. */
const O_CLOEXEC = 0o2000000;
const RENAME_NOREPLACE = 1;
/** A name has at most 255, as UTF-8. */
const maxNameBytes = 255;

/** Undefined where there is none; null before it is looked for. */
let found: FolderCalls | undefined | null = null;

/** Of this thread. */
export function folderCalls(): FolderCalls | undefined {
  if (found === null) found = lookUp();
  return found;
}

function lookUp(): FolderCalls | undefined {
  if (process.platform !== "linux") return undefined;
  const { i32, u32, ptr } = FFIType;
  try {
    const { symbols } = dlopen("libc.so.6", {
      openat: { args: [i32, ptr, i32, u32], returns: i32 },
      renameat2: { args: [i32, ptr, i32, ptr, u32], returns: i32 },
    });
    const [first, second] = [new NameBytes(), new NameBytes()];
    return {
      open: (folder, name, flags, mode) => symbols.openat(folder, first.of(name), flags | O_CLOEXEC, mode),
      renameNew: (folder, from, to) =>
        symbols.renameat2(folder, first.of(from), folder, second.of(to), RENAME_NOREPLACE) === 0,
    };
  } catch {
    // Nothing opens by that name, or memory may not be made executable.
    return undefined;
  }
}

/** A name as the system takes it, up to a zero. */
class NameBytes {
  private readonly bytes = Buffer.alloc(maxNameBytes + 1);

  /** Overwritten by the next one. What cannot be a name is an empty one, which no call takes. */
  of(name: string): Buffer {
    const { bytes } = this;
    const isOne = name.length <= maxNameBytes && !name.includes("\0");
    const { read, written } = isOne ? encoder.encodeInto(name, bytes) : { read: 0, written: 0 };
    bytes[read === name.length && written <= maxNameBytes ? written : 0] = 0;
    return bytes;
  }
}

const encoder = new TextEncoder();
