/** One of the files that a REGISTER or UPDATE announces, by chance. Pure. */
import { chunkCountOf } from "../content/chunks.ts";
import { decodeIndexRequest } from "../wire/decode-index-request.ts";
import type { FileEntry } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";

export type AnnouncedEntry = Pick<FileEntry, "name" | "root" | "sizeBytes">;

/** The chunk hashes of 64 GiB, 2 MiB: of larger contents nothing is asked. */
const maxAuditedChunks = 65_536;

/**
 * Each that can be asked for has the same chance, however the line is written: what is decoded is what will be listed.
 * Undefined when there is none: nothing whole, nothing but empty files, no message. `chance`: from 0 to 1, 1 excluded.
 */
export function entryByChance(line: Uint8Array, chance: number): AnnouncedEntry | undefined {
  const entries = entriesOf(line).filter(
    ({ sizeBytes, partial }) =>
      partial !== true && sizeBytes > 0 && chunkCountOf(sizeBytes) <= maxAuditedChunks,
  );
  return entries[Math.floor(chance * entries.length)];
}

function entriesOf(line: Uint8Array): readonly FileEntry[] {
  try {
    const request = decodeIndexRequest(line);
    if (request.type === "REGISTER") return request.files;
    return request.type === "UPDATE" ? request.add : [];
  } catch (error) {
    // The store refuses it in a moment.
    if (error instanceof ProtocolError) return [];
    throw error;
  }
}
