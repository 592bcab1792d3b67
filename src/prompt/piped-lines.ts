/**
 * Lines of an input that is no terminal: a pipe, a file, `/dev/null`. No more is read ahead than one piece of input.
 */
import { type Line, LineQueue, type LineSource, tooLong } from "./line-source.ts";
import { maxPromptLineBytes } from "./parse.ts";

export class PipedLines implements LineSource {
  private readonly input: NodeJS.ReadableStream;
  private readonly queue = new LineQueue();
  private partial: Buffer[] = [];
  private partialBytes = 0;

  constructor(input: NodeJS.ReadableStream) {
    this.input = input;
    input.on("data", this.onData);
    input.on("end", this.onEnd);
    // A terminal that went away, a closed descriptor: there will be no more lines.
    input.on("error", this.onEnd);
    input.on("close", this.onEnd);
    input.pause();
  }

  next(): Promise<Line | undefined> {
    if (this.queue.isEmpty) this.input.resume();
    return this.queue.next();
  }

  putBack(line: string): void {
    this.queue.putBack(line);
  }

  close(): void {
    this.input.off("data", this.onData);
    this.input.off("end", this.onEnd);
    this.input.off("close", this.onEnd);
    this.input.pause();
    this.queue.clear();
  }

  private readonly onData = (piece: Buffer | string): void => {
    this.input.pause();
    const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
    let start = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      this.take(bytes.subarray(start, end));
      this.finishLine();
      start = end + 1;
    }
    this.take(bytes.subarray(start));
    if (this.queue.isEmpty) this.input.resume();
  };

  private readonly onEnd = (): void => {
    if (this.partialBytes > 0) this.finishLine();
    this.queue.end();
  };

  private take(bytes: Buffer): void {
    this.partialBytes += bytes.length;
    if (this.partialBytes <= maxPromptLineBytes) this.partial.push(bytes);
    else this.partial = [];
  }

  private finishLine(): void {
    const isTooLong = this.partialBytes > maxPromptLineBytes;
    this.queue.push(isTooLong ? tooLong : Buffer.concat(this.partial).toString("utf8"));
    this.partial = [];
    this.partialBytes = 0;
  }
}
