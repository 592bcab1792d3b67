/** What an upload worker needs of an open content to hand out its bytes: a shared file, or a part of a download. */
export interface ServedContent {
  /**
   * Fills `into` from `offset`; the range is inside the content. False when the bytes are not those that were
   * hashed: nothing of `into` may be used then.
   */
  read(into: Uint8Array, offset: number): boolean;
  /**
   * Where the kernel finds this range, as long as nothing happens to the file; undefined when the bytes are not those
   * that were hashed. Whatever is sent from there, what follows in that chunk must be read.
   */
  descriptorFor(offset: number, length: number): number | undefined;
  close(): void;
}
