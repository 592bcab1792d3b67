/**
 * Sources that a file of a folder waited for in vain: the next one that only they have does not wait as long again. Else
 * a peer that can be found but not reached (a firewall) would hold up each file of a folder for the whole timeout. Pure.
 */
import type { ListedFile } from "../wire/messages.ts";
import type { SourceAddress } from "./source.ts";

/** Enough to connect and to get something, should it be back. */
const secondTimeoutMs = 2_000;

type Address = Pick<SourceAddress, "host" | "port">;

export class SilentSources {
  private readonly silent = new Set<string>();

  /** `timeoutMs`: the usual one. */
  constructor(private readonly timeoutMs: number) {}

  /** How long to wait for a sign of life of this file. */
  timeoutFor({ sources, total }: Pick<ListedFile, "sources" | "total">): number {
    const areAll = sources.length > 0 && sources.length >= total;
    const isHopeless = areAll && sources.every((source) => this.silent.has(keyOf(source)));
    return isHopeless ? Math.min(this.timeoutMs, secondTimeoutMs) : this.timeoutMs;
  }

  /** The file has failed after so long. Sooner than the timeout somebody must have said something. */
  onFailed({ sources }: Pick<ListedFile, "sources">, elapsedMs: number): void {
    if (elapsedMs < this.timeoutMs) return;
    for (const source of sources) this.silent.add(keyOf(source));
  }

  /** These have been known to a file that came. */
  onFetched(sources: readonly (Address & { bytes: number })[]): void {
    for (const source of sources) if (source.bytes > 0) this.silent.delete(keyOf(source));
  }
}

function keyOf({ host, port }: Address): string {
  return `${host} ${port}`;
}
