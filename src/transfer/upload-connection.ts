/**
 * One downloader's connection inside an upload worker: does what its `UploadSession` says. Reads a block, hands
 * it to the kernel, reads the next; what the kernel does not take waits in the one block that the connection has.
 */
import { monotonicMs } from "../clock.ts";
import { systemCode } from "../errors.ts";
import type { Connection } from "../net/connection.ts";
import type { AcceptedUser } from "../net/listener.ts";
import { agent } from "../version.ts";
import type { ProtocolError } from "../wire/protocol-error.ts";
import type { OpenContents } from "./open-contents.ts";
import { UploadSession, type UploadStep } from "./upload-session.ts";

/** Read and sent at a time: large enough that system calls cost little, small enough to stay in the CPU's cache. */
const blockBytes = 256 * 1024;
/** Then the other connections of this thread have their turn. */
const maxStepsPerTurn = 16;

export class UploadConnection implements AcceptedUser {
  private readonly session = new UploadSession(agent, blockBytes);
  /** Made with the first range: most connections of a swarm never ask for one. */
  private block: Uint8Array | undefined;
  private blockSent = 0;
  private blockEnd = 0;
  private over = false;
  private scheduled = false;

  constructor(
    private readonly connection: Connection,
    private readonly contents: OpenContents,
    private readonly onServed: (bytes: number) => void,
    private readonly onBug: (error: Error) => void,
  ) {}

  get greeted(): boolean {
    return this.session.greeted;
  }

  onLine(line: Uint8Array): number {
    this.session.onLine(line);
    this.advance();
    if (this.session.full) this.connection.pause();
    return 0;
  }

  onProtocolError(error: ProtocolError): void {
    this.session.onProtocolError(error);
    this.advance();
    if (this.session.full) this.connection.pause();
  }

  onDrain(): void {
    this.advance();
  }

  onClose(error: Error | undefined): void {
    // Connections break; anything else that ended this one is a bug, and must not go unheard.
    if (error !== undefined && systemCode(error) === undefined) this.onBug(error);
    this.over = true;
    this.block = undefined;
  }

  /** Takes steps until there is none, the kernel is full, or others should have a turn. */
  private advance(): void {
    for (let steps = 0; !this.over && this.flushBlock(); steps++) {
      if (steps === maxStepsPerTurn) {
        this.continueLater();
        break;
      }
      const step = this.session.next();
      if (step === undefined) break;
      this.perform(step);
    }
    if (!this.over && !this.session.full) this.connection.resume();
  }

  private perform(step: UploadStep): void {
    switch (step.do) {
      case "send":
        this.connection.send(step.text);
        if (step.body !== undefined && step.body.length > 0) this.connection.send(step.body);
        return;
      case "find":
        this.find(step.root);
        return;
      case "send-range":
        this.readBlock(step);
        return;
      case "close":
        this.connection.end();
        this.over = true;
        return;
    }
  }

  private find(root: string): void {
    let now = true;
    this.contents.find(root, monotonicMs(), (file) => {
      if (file === undefined) this.session.onMissing();
      else this.session.onFound(file.options);
      if (!now) this.advance();
    });
    now = false;
  }

  private readBlock(step: UploadStep & { do: "send-range" }): void {
    this.block ??= new Uint8Array(blockBytes);
    const into = this.block.subarray(0, step.length);
    const file = this.contents.get(step.root, monotonicMs());
    if (file === undefined) {
      // Idle for too long behind a slow reader, or one too many open.
      this.session.onForgotten();
      return;
    }
    if (!file.read(into, step.offset)) {
      this.contents.drop(step.root);
      this.session.onGone();
      return;
    }
    if (step.header !== undefined) this.connection.send(step.header);
    this.blockSent = 0;
    this.blockEnd = step.length;
  }

  /** True when nothing of the block is left. */
  private flushBlock(): boolean {
    if (this.block === undefined || this.blockEnd === 0) return true;
    const taken = this.connection.write(this.block, this.blockSent, this.blockEnd - this.blockSent);
    this.blockSent += taken;
    this.onServed(taken);
    if (this.blockSent < this.blockEnd) return false;
    this.session.onSent(this.blockEnd);
    this.blockEnd = 0;
    return true;
  }

  private continueLater(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.advance();
    });
  }
}
