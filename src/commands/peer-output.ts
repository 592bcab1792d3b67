/** What a running peer says by itself: events, notices, and the progress of hashing. */
import type { ScanProgress } from "../library/library.ts";
import type { PeerNodeListener, RegisteredAt } from "../peer-node.ts";
import type { CommandContext } from "./context.ts";

export class PeerOutput implements PeerNodeListener {
  private isHashing = false;

  constructor(private readonly context: Pick<CommandContext, "output" | "log" | "backgroundProgress">) {}

  listening(host: string, port: number): void {
    this.context.output.event({ event: "listening", host, port });
  }

  registered({ index, files, bytes, again, foundAt }: RegisteredAt): void {
    const event = { event: "registered", index, files, bytes } as const;
    this.context.output.event({
      ...event,
      ...(again && { again }),
      ...(foundAt !== undefined && { foundAt }),
    });
  }

  updated(added: readonly string[], removed: readonly string[]): void {
    this.context.output.event({ event: "updated", added, removed });
  }

  hashing(hashing: ScanProgress): void {
    const { files, totalFiles, bytes, totalBytes, bytesPerSecond } = hashing;
    if (!this.isHashing) this.context.backgroundProgress.start({ label: "hashing", sizeBytes: totalBytes });
    this.isHashing = true;
    this.context.backgroundProgress.update({
      sizeBytes: totalBytes,
      bytes,
      bytesPerSecond,
      files: { done: files, total: totalFiles },
    });
  }

  hashed(): void {
    if (this.isHashing) this.context.backgroundProgress.stop();
    this.isHashing = false;
  }

  notice(line: string): void {
    this.context.log.warn(line, "peer");
  }
}
