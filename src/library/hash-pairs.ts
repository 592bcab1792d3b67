/**
 * Puts the code of `content/sha256-x86.ts` where it can be called: on Linux where libc.so.6 can be opened (musl's loader
 * answers to that name with itself), on x86-64 processors that have the instructions. Elsewhere there is none, and
 * whoever hashes does so with Bun's, at half the rate.
 */
import { dlopen, FFIType, linkSymbols, type Pointer, toArrayBuffer } from "bun:ffi";
import { type HashPairs, hashBytes } from "../content/merkle.ts";
import { blockBytes, paddingAfter, sha256Code, shaInstructions } from "../content/sha256-x86.ts";

/** For fewer, finding it (3 ms, as long as hashing 8 MiB takes longer without) costs more than it saves. */
const worthBytes = 16 * 1024 * 1024;

interface Found {
  hash: HashPairs;
  memory: Executable;
}

/** Of this thread; undefined before it is looked for, null where there is none. */
let found: Found | null | undefined;
/** What this thread was to hash since it began, or since the code was freed. */
let askedBytes = 0;

/** For the next so many bytes of this thread. Undefined where there is none, and while they are too few in all. */
export function hashPairsFor(bytes: number): HashPairs | undefined {
  askedBytes += bytes;
  return askedBytes > worthBytes ? hashPairs() : undefined;
}

/** So many bytes will probably be asked for: it is looked for now, when nothing else waits. */
export function expectHashPairs(): void {
  askedBytes += worthBytes;
  hashPairs();
}

/**
 * Before the thread ends, which would leave the memory behind, or rests. Counting begins anew; who still calls what it
 * was given has the code looked for again.
 */
export function freeHashPairs(): void {
  askedBytes = 0;
  found?.memory.free();
  // Where there is none there never will be.
  if (found !== null) found = undefined;
}

function hashPairs(): HashPairs | undefined {
  if (found === undefined) found = lookUp();
  return found?.hash;
}

function lookUp(): Found | null {
  if (process.platform !== "linux" || process.arch !== "x64") return null;
  let memory: Executable | undefined;
  let isKept = false;
  try {
    const { bytes, hashPairs, features } = sha256Code();
    memory = new Executable(bytes);
    const { symbols } = linkSymbols({
      hash: {
        ptr: memory.at(hashPairs),
        args: [FFIType.ptr, FFIType.ptr, FFIType.u64, FFIType.u64, FFIType.ptr],
        returns: FFIType.void,
      },
      features: { ptr: memory.at(features), args: [], returns: FFIType.u32 },
    });
    if ((symbols.features() & shaInstructions) === 0) return null;
    const hash = bounded(symbols.hash, memory);
    isKept = isRight(hash);
    return isKept ? { hash, memory } : null;
  } catch {
    // No such library, or memory may not be made executable: Bun's own way works everywhere.
    return null;
  } finally {
    if (!isKept) memory?.free();
  }
}

/** Of <sys/mman.h>. */
const mayRead = 1;
const mayWrite = 2;
const mayRun = 4;
const isPrivateMemory = 0x22;

class Executable {
  isFreed = false;
  private readonly libc = openLibc();
  private readonly address: number;

  constructor(private readonly code: Uint8Array) {
    const protection = mayRead | mayWrite;
    // What stands for a failure, 2^64 - 1, is no address and no safe integer.
    const address = Number(this.libc.mmap(null, code.length, protection, isPrivateMemory, -1, 0));
    if (address === 0 || !Number.isSafeInteger(address)) throw new Error("no memory");
    this.address = address;
    try {
      new Uint8Array(toArrayBuffer(this.at(0), 0, code.length)).set(code);
      // Never both at once.
      if (this.libc.mprotect(this.at(0), code.length, mayRead | mayRun) !== 0)
        throw new Error("memory may not be made executable");
    } catch (error) {
      this.free();
      throw error;
    }
  }

  at(offset: number): Pointer {
    return (this.address + offset) as Pointer;
  }

  free(): void {
    if (this.isFreed) return;
    this.isFreed = true;
    this.libc.munmap(this.at(0), this.code.length);
  }
}

function openLibc() {
  return dlopen("libc.so.6", {
    // For memory of our own: no file is mapped. Not `mmap64`: the same here, but not a name of every C library.
    mmap: {
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
    if (memory.isFreed) {
      const again = hashPairs();
      if (again === undefined) throw new Error("what hashes pairs is gone");
      again(messages, messageBytes, digests);
      return;
    }
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

/** SHA-256 of two messages of 64 bytes each, all 0 and all 0xff: as any other program has them. */
const knownDigests = [
  "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b",
  "8667e718294e9e0df1d30600ba3eeb201f764aad2dad72748643e4a285e1d1f7",
];

/**
 * Finds an emulator, a processor or a change of the code that gets the instructions wrong: what they get wrong would be
 * taken for lies of the sources. Finds it by known answers, because Bun's may use the same instructions, and by Bun's for
 * several blocks and pairs. Does not find what goes wrong with few messages only, or later.
 */
function isRight(hash: HashPairs): boolean {
  const known = new Uint8Array(2 * blockBytes).fill(0xff, blockBytes);
  if (digestsOf(hash, known, blockBytes).some((digest, i) => digest !== knownDigests[i])) return false;
  return [blockBytes, 3 * blockBytes].every((messageBytes) => {
    const messages = new Uint8Array(4 * messageBytes).map((_, i) => (i * 167) >> 3);
    return digestsOf(hash, messages, messageBytes).every((digest, i) => {
      const message = messages.subarray(i * messageBytes, (i + 1) * messageBytes);
      return digest === new Bun.CryptoHasher("sha256").update(message).digest("hex");
    });
  });
}

function digestsOf(hash: HashPairs, messages: Uint8Array, messageBytes: number): string[] {
  const digests = new Uint8Array((messages.length / messageBytes) * hashBytes);
  hash(messages, messageBytes, digests);
  return Array.from({ length: digests.length / hashBytes }, (_, i) =>
    digests.subarray(i * hashBytes, (i + 1) * hashBytes).toHex(),
  );
}
