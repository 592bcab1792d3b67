/** Why sources could not be reached or were dropped, and what a failed download says of it. Pure. */
import { AuthenticationError, NoSourceError, type P2pError, VerificationError } from "../errors.ts";
import { formatBytes } from "../output/format.ts";
import type { SourceNews } from "./download-messages.ts";
import type { Outcome } from "./outcome.ts";

/** More than a few say no more to a person. */
const maxNamed = 5;
/** An index may name more sources than this, one after the other: then the oldest are forgotten. */
const maxKnown = 16_384;

export class SourceReasons {
  /** `HOST:PORT` of every connection that was opened. */
  private readonly addresses = new Map<number, string>();
  private readonly last = new Map<string, string>();
  private readonly told = new Set<string>();

  constructor(private readonly nameOf: (chunk: number) => string) {}

  /** `passing`: it is a download itself, which comes and goes; that it is gone is worth no line. */
  opened(connection: number, address: string, passing: boolean): void {
    this.addresses.set(connection, address);
    forgetFirst(this.addresses);
    if (passing) this.tell(address);
  }

  /** The line to tell of what a worker says, if it is worth one. */
  of(message: SourceNews): string | undefined {
    const id = message.connection;
    switch (message.kind) {
      case "closed":
        return this.failed(id, message.reason);
      case "hashes":
        if (message.hashes !== undefined) return undefined;
        return this.dropped(id, "its chunk hashes do not add up to the root");
      case "bad-chunk":
        return this.dropped(id, `${this.nameOf(message.chunk)} is wrong`);
      case "wrong-answer":
      case "another-machine":
        return this.dropped(id, message.reason);
      case "gone":
        return this.dropped(id, "the file changed or is gone there");
      default:
        return undefined;
    }
  }

  /** It will be tried again. The line to tell when that is the second time in a row, once a source. */
  private failed(connection: number, reason: string): string | undefined {
    const address = this.addresses.get(connection);
    if (address === undefined) return undefined;
    const isRepeated = this.last.get(address) === reason && !this.told.has(address);
    this.keep(address, reason);
    if (!isRepeated) return undefined;
    this.tell(address);
    return `source ${address}: ${reason}; trying again`;
  }

  /** The line to tell, or undefined when it was told for another connection to that source. */
  private dropped(connection: number, reason: string): string | undefined {
    const address = this.addresses.get(connection);
    if (address === undefined || this.last.get(address) === reason) return undefined;
    this.keep(address, reason);
    return `source ${address} dropped: ${reason}`;
  }

  private keep(address: string, reason: string): void {
    this.last.set(address, reason);
    forgetFirst(this.last);
  }

  private tell(address: string): void {
    this.told.add(address);
    forgetFirst(this.told);
  }

  /** Why the download failed, in one line; `kept` are verified bytes on disk. */
  error(
    outcome: Exclude<Outcome, { kind: "complete" }>,
    kept: { bytes: number; sizeBytes: number },
    timeoutMs: number,
  ): P2pError {
    const who = this.named();
    if (outcome.kind === "wrong-data") return new VerificationError(`no source delivered valid data${who}`);
    if (outcome.kind === "another-machine")
      return new AuthenticationError(`no source is one that may be fetched from${who}`);
    const again =
      kept.bytes === 0
        ? ""
        : `; ${formatBytes(kept.bytes)} of ${formatBytes(kept.sizeBytes)} are kept: run it again to go on`;
    if (outcome.kind === "gone")
      return new NoSourceError(`no source has this content any more${who}${again}`);
    return new NoSourceError(`no source delivered for ${timeoutMs / 1000} s${who}${again}`);
  }

  private named(): string {
    if (this.last.size === 0) return "";
    const named = [...this.last].slice(0, maxNamed).map(([address, reason]) => `${address}: ${reason}`);
    const more = this.last.size > maxNamed ? `; ${this.last.size - maxNamed} more` : "";
    return ` (${named.join("; ")}${more})`;
  }
}

function forgetFirst<Key>(known: Map<Key, unknown> | Set<Key>): void {
  if (known.size <= maxKnown) return;
  for (const first of known.keys()) {
    known.delete(first);
    return;
  }
}
