/** What a connection asks of whoever uses it, and tells them. */
import type { ProtocolError } from "../wire/protocol-error.ts";

/** Whoever uses a connection. All methods are called synchronously and must not throw, but for ProtocolError. */
export interface ConnectionUser {
  /** One line; returns how many raw bytes follow it. A ProtocolError thrown here goes to `onProtocolError`. */
  onLine(line: Uint8Array): number;
  /** Calls `read` at once, which hands on what has arrived: for who measures what that takes. */
  whileReading?(read: () => void): void;
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
