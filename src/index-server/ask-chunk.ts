/** Asks a peer for one chunk of a content by chance and checks it, as a download would. Nothing is kept. */
import { chunkCountOf } from "../content/chunks.ts";
import { ContentHome } from "../transfer/chunk-home.ts";
import type { MeantSource } from "../transfer/connect-source.ts";
import type { FromDownloadWorker } from "../transfer/download-messages.ts";
import { SourceLink } from "../transfer/source-link.ts";
import type { Membership } from "../trust/membership.ts";
import { auditTimeoutMs } from "../wire/limits.ts";
import type { AnnouncedEntry } from "./announced-entry.ts";
import type { AuditFinding } from "./audit-plan.ts";

class CheckedContent extends ContentHome {
  constructor(root: string, sizeBytes: number) {
    super(root, sizeBytes, { kind: "ring", slots: new SharedArrayBuffer(0) });
  }

  override keep(): undefined {}
}

/** What ends it; a message that is not here does not. `hashes`: those that do not add up to the root. */
const findings: Partial<Record<FromDownloadWorker["kind"], AuditFinding>> = {
  chunk: "backed",
  "bad-chunk": "wrong",
  "wrong-answer": "wrong",
  hashes: "wrong",
  gone: "missing",
  closed: "unknown",
  "another-machine": "unknown",
  busy: "unknown",
};

/** Never rejects. `chance`: from 0 to 1, 1 excluded. */
export function askChunk(
  source: MeantSource,
  { root, sizeBytes }: AnnouncedEntry,
  membership: Membership,
  chance: number,
): Promise<AuditFinding> {
  const { promise, resolve } = Promise.withResolvers<AuditFinding>();
  const content = new CheckedContent(root, sizeBytes);
  const chunk = Math.floor(chance * chunkCountOf(sizeBytes));
  const context = {
    content,
    session: crypto.randomUUID(),
    membership,
    times: { hashingMs: 0, writingMs: 0 },
    tell,
  };
  const link = new SourceLink(1, context, () => resolve("unknown"));
  const timer = setTimeout(() => end("unknown"), auditTimeoutMs);

  function end(finding: AuditFinding): void {
    clearTimeout(timer);
    resolve(finding);
    link.close();
  }

  function tell(message: FromDownloadWorker): void {
    if (message.kind === "connected") {
      if (content.isAlone) link.get(1, 0, 1);
      else link.hashes();
    } else if (message.kind === "hashes" && message.hashes !== undefined) {
      content.chunkHashes = message.hashes;
      link.get(1, chunk, 1);
    } else {
      const finding = findings[message.kind];
      if (finding !== undefined) end(finding);
    }
  }

  void link.open(source);
  return promise;
}
