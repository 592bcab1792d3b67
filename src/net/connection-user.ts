/** What a connection asks of whoever uses it, and tells them. */
import type { ProtocolError } from "../wire/protocol-error.ts";

/** Whoever uses a connection. All methods are called synchronously and must not throw, but for ProtocolError. */
export interface ConnectionUser {
  /** One line; returns how many raw bytes follow it. A ProtocolError thrown here goes to `onProtocolError`. */
  onLine(line: Uint8Array): number;
  /**
   * Lines lie in `bytes` from `from` on, whole but perhaps for the last one: those that it can do at once, without any
   * body, it may take here. Returns where the first line begins that it has not taken.
   */
  takeLines?(bytes: Uint8Array, from: number): number;
  /** Something has arrived, and is handed on between these two: for who measures what that takes. */
  readingBegins?(nowMs: number): void;
  readingEnds?(): void;
  /** Where the next bytes of the body that `onLine` announced are to go; at least one byte long. */
  bodyRoom?(): Uint8Array;
  /** So many bytes of the body have come and lie in the room given last. */
  onBody?(length: number): void;
  /** The line was too long, or `onLine` or `onBody` threw a ProtocolError. Without it the connection ends with an ERROR. */
  onProtocolError?(error: ProtocolError): void;
  /** Everything handed to `send` has been taken by the kernel, after it had once been full. */
  onDrain?(): void;
  /** Exactly once, whoever closed; `error` when it was not an orderly end. */
  onClose(error: Error | undefined): void;
}
