/** Reads one line that nobody should see: typed or pasted at a terminal without being shown, or from a pipe. */
import { InterruptedError, UsageError } from "../errors.ts";
import type { Terminal } from "../output/terminal.ts";
import { maxLinkCharacters } from "../trust/join-link.ts";

/** Beyond the longest link, whatever comes. */
const maxCharacters = 2 * maxLinkCharacters;

const ctrlC = "\u0003";
const ctrlD = "\u0004";
const erase = /[\b\u007f]/;
/** How a terminal marks what is pasted, when somebody before us has asked it to. */
const pasteMark = /\u001b\[20[01]~/g;

/** The first line, without its end. Rejects with UsageError, and with the signal's reason. */
export async function readSecretLine(
  input: NodeJS.ReadStream,
  prompt: string,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const isTyped = input.isTTY === true;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const line = new SecretLine(isTyped);
  const onData = (chunk: string) => {
    try {
      if (line.isEndedBy(chunk)) resolve(line.text);
    } catch (error) {
      reject(error);
    }
  };
  const onEnd = () => resolve(line.text);
  const onAbort = () => reject(signal.reason);
  if (isTyped) {
    input.setRawMode(true);
    terminal.draw(prompt);
  }
  input.setEncoding("utf8").on("data", onData).on("end", onEnd).on("error", reject);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    input.off("data", onData).off("end", onEnd).off("error", reject).pause();
    if (isTyped) {
      input.setRawMode(false);
      terminal.draw("\n");
    }
  }
}

/** What has been read of the line so far. With `isTyped` it knows the keys that a terminal would have handled. */
export class SecretLine {
  text = "";

  constructor(private readonly isTyped: boolean) {}

  /** True at the end of the line; what follows is not taken. */
  isEndedBy(chunk: string): boolean {
    for (const character of this.isTyped ? chunk.replace(pasteMark, "") : chunk) {
      if (character === "\n" || character === "\r") return true;
      if (this.isTyped && character === ctrlC) throw new InterruptedError("interrupted by Ctrl-C");
      if (this.isTyped && character === ctrlD) return true;
      if (this.isTyped && erase.test(character)) this.text = this.text.slice(0, -1);
      else this.text += character;
      if (this.text.length > maxCharacters) throw new UsageError("that is too long for a link");
    }
    return false;
  }
}
