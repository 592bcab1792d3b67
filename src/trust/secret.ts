/**
 * A text that nobody may see. It does not show in a log line, in JSON or in a stack trace by accident: whoever needs it
 * says `reveal`, and that word can be searched for. Once made, it is in nothing that is logged, even if revealed.
 */
import { neverShow } from "../redaction.ts";

const shown = "[secret]";

export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
    neverShow(text);
  }

  reveal(): string {
    return this.#text;
  }

  equals(other: Secret): boolean {
    return this.#text === other.#text;
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  /** For `console.log`, `util.inspect` and what prints an uncaught exception. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return shown;
  }
}
