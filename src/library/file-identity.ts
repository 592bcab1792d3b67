/**
 * What tells, without reading a file, whether it is still the one that was hashed. Nothing here reads anything.
 */
import type { BigIntStats } from "node:fs";

export interface FileIdentity {
  dev: bigint;
  ino: bigint;
  sizeBytes: number;
  mtimeNs: bigint;
  /** Also moves when the file is renamed, linked or given other permissions. */
  ctimeNs: bigint;
}

/** From `lstat` or `fstat` with `{ bigint: true }`: times in plain numbers are too coarse to notice a change. */
export function identityOf(stats: BigIntStats): FileIdentity {
  return {
    dev: stats.dev,
    ino: stats.ino,
    sizeBytes: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
  };
}

/** Whether nothing was written between the two, as far as the file system tells. */
export function sameContentIdentity(one: FileIdentity, other: FileIdentity): boolean {
  return (
    one.mtimeNs === other.mtimeNs &&
    one.sizeBytes === other.sizeBytes &&
    one.ino === other.ino &&
    one.dev === other.dev
  );
}

/** As `sameContentIdentity`, and not even its name or permissions were touched (nor its times set back). */
export function sameIdentity(one: FileIdentity, other: FileIdentity): boolean {
  return one.ctimeNs === other.ctimeNs && sameContentIdentity(one, other);
}
