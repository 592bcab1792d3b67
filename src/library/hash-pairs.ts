/**
 * Puts the code of `content/sha256-x86.ts` where it can be called: on Linux with glibc, on x86-64 processors that have
 * the instructions. Elsewhere there is none, and whoever hashes does so with Bun's, at half the rate.
 */
import { dlopen, FFIType, linkSymbols, type Pointer, toArrayBuffer } from "bun:ffi";
import { type HashPairs, hashBytes } from "../content/merkle.ts";
import { blockBytes, paddingAfter, sha256Code, shaInstructions } from "../content/sha256-x86.ts";

/** Of this thread; undefined before it is looked for, null where there is none. */
let found: { hash: HashPairs; memory: Executable } | null | undefined;

/**
 * For this thread. The first call takes about 3 ms: as long as hashing 8 MiB takes longer without. Undefined where there
 * is none.
 */
export function hashPairs(): HashPairs | undefined {
  if (found === undefined) found = lookUp();
  return found?.hash;
}

/** Before the thread ends. What `hashPairs` has returned throws from now on. */
export function freeHashPairs(): void {
  found?.memory.free();
  found = undefined;
}

function lookUp(): typeof found {
  if (process.platform !== "linux" || process.arch !== "x64") return null;
  try {
    const { bytes, hashPairs, features } = sha256Code();
    const memory = new Executable(bytes);
    const { address } = memory;
    const { symbols } = linkSymbols({
      hash: {
        ptr: (address + hashPairs) as Pointer,
        args: [FFIType.ptr, FFIType.ptr, FFIType.u64, FFIType.u64, FFIType.ptr],
        returns: FFIType.void,
      },
      features: { ptr: (address + features) as Pointer, args: [], returns: FFIType.u32 },
    });
    if ((symbols.features() & shaInstructions) !== 0) {
      const hash = bounded(symbols.hash, memory);
      if (isRight(hash)) return { hash, memory };
    }
    memory.free();
  } catch {
    // Another C library, or memory may not be made executable: Bun's own way works everywhere.
  }
  return null;
}

/** Of <sys/mman.h>. */
const mayRead = 1;
const mayWrite = 2;
const mayRun = 4;
const isPrivateMemory = 0x22;

class Executable {
  readonly address: number;
  isFreed = false;

  constructor(private readonly code: Uint8Array) {
    // For memory of our own: no file is mapped.
    const address = libc().mmap64(null, code.length, mayRead | mayWrite, isPrivateMemory, -1, 0);
    // What stands for a failure is too large for a number.
    if (typeof address !== "number") throw new Error("no memory");
    this.address = address;
    new Uint8Array(toArrayBuffer(address, 0, code.length)).set(code);
    // Never both at once.
    if (libc().mprotect(address, code.length, mayRead | mayRun) === 0) return;
    this.free();
    throw new Error("memory may not be made executable");
  }

  free(): void {
    if (this.isFreed) return;
    this.isFreed = true;
    libc().munmap(this.address as Pointer, this.code.length);
  }
}

function libc() {
  return dlopen("libc.so.6", {
    mmap64: {
      args: [FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.i32, FFIType.i32, FFIType.i64],
      returns: FFIType.ptr,
    },
    mprotect: { args: [FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
    munmap: { args: [FFIType.ptr, FFIType.u64], returns: FFIType.i32 },
  }).symbols;
}

/** Checks what the code does not. */
function bounded(
  hash: (...each: [Uint8Array, Uint8Array, number | bigint, number | bigint, Uint8Array]) => void,
  memory: Executable,
): HashPairs {
  const paddings = new Map<number, Uint8Array>();
  return (messages, messageBytes, digests) => {
    if (memory.isFreed) throw new Error("what hashes pairs has been freed");
    const pairs = messages.length / messageBytes / 2;
    if (pairs === 0) return;
    const isWhole = Number.isInteger(pairs) && messageBytes > 0 && messageBytes % blockBytes === 0;
    if (!isWhole || digests.length < 2 * pairs * hashBytes)
      throw new RangeError("no pairs of messages of whole blocks, or no room for their digests");
    const padding = paddings.get(messageBytes) ?? paddingAfter(messageBytes);
    paddings.set(messageBytes, padding);
    hash(messages, digests, pairs, messageBytes, padding);
  };
}

/** Nothing is believed of an emulated processor, say: what it gets wrong would be taken for lies of the sources. */
function isRight(hash: HashPairs): boolean {
  const messages = Uint8Array.from({ length: 4 * 3 * blockBytes }, (_, i) => (i * 167) >> 3);
  const digests = new Uint8Array(4 * hashBytes);
  hash(messages, 3 * blockBytes, digests);
  return [0, 1, 2, 3].every((i) => {
    const message = messages.subarray(i * 3 * blockBytes, (i + 1) * 3 * blockBytes);
    const expected = new Uint8Array(hashBytes);
    Bun.SHA256.hash(message, expected);
    return Buffer.compare(digests.subarray(i * hashBytes, (i + 1) * hashBytes), expected) === 0;
  });
}
