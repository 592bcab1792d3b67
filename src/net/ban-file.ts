/** Who is banned, kept in a file that `p2p ban` writes and running servers look at again and again. */
import { renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { LocalIoError, reasonOf, systemCode } from "../errors.ts";
import { printable } from "../printable.ts";
import { readRegularFile, writeNewFile } from "../private-file.ts";
import { parseBan } from "./ban-list.ts";

/** 10,000 of them have 300 KiB at most. */
const maxFileBytes = 1024 * 1024;
/** A ban counts within a second. */
const lookIntervalMs = 500;

export function banFileIn(folder: string): string {
  return join(folder, "bans.json");
}

/** None when there is no such file. Throws LocalIoError. */
export function readBans(path: string): string[] {
  let bytes: Uint8Array | undefined;
  try {
    bytes = readRegularFile(path, maxFileBytes);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw new LocalIoError(`cannot read ${printable(path, 500)}: ${reasonOf(error)}`, { cause: error });
  }
  const bans = bytes && bansOf(Buffer.from(bytes).toString());
  if (bans !== undefined) return bans;
  throw new LocalIoError(
    `${printable(path, 500)} is not as \`p2p ban\` writes it: mend it, or remove it and ban again`,
  );
}

/** Into a folder that is there; whole or not at all. Throws LocalIoError. */
export function writeBans(path: string, bans: readonly string[]): void {
  const draft = `${path}.${crypto.randomUUID()}`;
  try {
    writeNewFile(draft, Buffer.from(`${JSON.stringify({ bans }, undefined, 2)}\n`));
    renameSync(draft, path);
  } catch (error) {
    throw new LocalIoError(`cannot write ${printable(path, 500)}: ${reasonOf(error)}`, { cause: error });
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Undefined when it is none of ours. */
function bansOf(text: string): string[] | undefined {
  try {
    const { bans } = JSON.parse(text) as { bans?: unknown };
    if (!Array.isArray(bans)) return undefined;
    const areBans = bans.every((ban) => typeof ban === "string" && parseBan(ban) !== undefined);
    return areBans ? bans : undefined;
  } catch {
    // No JSON, or null.
    return undefined;
  }
}

export interface BanFileListener {
  /** Somebody else may be banned now. */
  changed(bans: string[]): void;
  /** It cannot be read: those who were banned stay so. */
  failed(error: LocalIoError): void;
}

/** Looks now and then whether the file is another one. Whoever begins that stops it. */
export class BanFileWatch {
  /** When that began. */
  readonly first: readonly string[];
  private readonly timer: Timer;
  private seen: string;

  /** Throws LocalIoError when the file cannot be read. */
  constructor(
    private readonly path: string,
    private readonly listener: BanFileListener,
  ) {
    // In this order: what changes in between is told.
    this.seen = markOf(path);
    this.first = readBans(path);
    this.timer = setInterval(() => this.look(), lookIntervalMs);
    this.timer.unref();
  }

  /** Idempotent. */
  stop(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const mark = markOf(this.path);
    if (mark === this.seen) return;
    this.seen = mark;
    try {
      this.listener.changed(readBans(this.path));
    } catch (error) {
      if (error instanceof LocalIoError) this.listener.failed(error);
      else throw error;
    }
  }
}

/** Another one for every other content. */
function markOf(path: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch {
    // It is not there, or cannot be seen.
    return "";
  }
}
