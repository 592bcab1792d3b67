/**
 * What the sources of a download have and have sent, as they tell it: kept with each source, and counted in the picker,
 * which asks for the rarest. Pure; a part of the scheduler.
 */
import { Bitfield } from "../content/bitfield.ts";
import type { ChunkPicker } from "./pick.ts";
import type { Source, SourceConnection } from "./source.ts";

export class Holdings {
  /** Connected sources that have not said that they have all; and all of which we know what files they have. */
  private readonly partial = new Set<Source>();

  constructor(private readonly picker: ChunkPicker) {}

  /** The index has said what a source has of chunks that are files. */
  onListed(source: Source): void {
    if (source.files === undefined) return;
    source.useful = this.picker.countLacking(source.files);
    source.barrenAt = undefined;
    this.partial.add(source);
  }

  /** It has not the file that it was said to have. */
  onLacks(source: Source, chunk: number): void {
    source.lacking ??= new Bitfield(this.picker.size);
    source.lacking.add(chunk);
    if (source.files?.has(chunk) !== true) return;
    source.files.remove(chunk);
    if (!this.picker.isVerified(chunk)) source.useful--;
  }

  /** The first connection to the source begins: until it says more, a partial source has nothing. */
  onOpened(source: Source): void {
    if (source.partial && source.held === undefined) this.set(source, new Bitfield(this.picker.size));
  }

  /** The last connection is gone: nobody tells what changes. */
  onClosed(source: Source): void {
    if (source.connections > 0 || source.held === undefined || source.files !== undefined) return;
    this.picker.countHolder(source.held, -1);
    this.partial.delete(source);
    source.held = undefined;
    source.useful = 0;
  }

  /** All that it has, and what it has sent if it said so. */
  onHave({ source }: SourceConnection, held: Bitfield, sent: Bitfield | undefined): void {
    if (sent !== undefined) source.sent = sent;
    if (source.held === undefined && held.isFull) return;
    if (source.held !== undefined) this.picker.countHolder(source.held, -1);
    this.set(source, held);
  }

  /** It has one chunk more. */
  onHaveNews({ source }: SourceConnection, chunk: number): void {
    if (source.held?.add(chunk) !== true) return;
    this.picker.countHolderOf(chunk);
    if (this.picker.isVerified(chunk)) return;
    source.useful++;
    source.barrenAt = undefined;
  }

  onSentNews({ source }: SourceConnection, chunk: number): void {
    source.sent?.add(chunk);
    if (this.picker.claimsOf(chunk) === 0 && !this.picker.isVerified(chunk)) source.isShared = true;
  }

  /** We have one chunk more. */
  onVerified(chunk: number): void {
    for (const source of this.partial) if (source.held?.has(chunk) === true) source.useful--;
  }

  private set(source: Source, held: Bitfield): void {
    source.held = held;
    source.useful = this.picker.countLacking(held);
    source.barrenAt = undefined;
    this.picker.countHolder(held, 1);
    this.partial.add(source);
  }
}
