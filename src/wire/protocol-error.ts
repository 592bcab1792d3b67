/**
 * What the other side of a connection is told when it did something wrong: a code from this list and a fixed
 * sentence. Never a path, an SQL statement or the text of an exception.
 */
export const errorCodes = {
  BAD_JSON: "the line is not a JSON object in UTF-8",
  LINE_TOO_LONG: "the line is longer than allowed",
  TOO_DEEP: "the line is nested more deeply than allowed",
  BAD_MESSAGE: "a field is missing or of the wrong type",
  BAD_STATE: "this message is not expected now",
  BAD_VERSION: "this version of the protocol is not spoken here",
  UNKNOWN_TYPE: "this type of message is not known here",
  BAD_NAME: "a name is not allowed",
  BAD_SIZE: "a size is not a whole number in the allowed range",
  BAD_HASH: "a hash is not lower-case hex of the right length",
  BAD_PORT: "the port is not a number from 1 to 65535",
  BAD_SEARCH: "the text of a search is not understood",
  BAD_RANGE: "the range is not inside the content or longer than allowed",
  TOO_MANY: "more than allowed in one message or for one peer",
  NOT_FOUND: "this content is not here",
  GONE: "this content was here and has changed or gone",
  DENIED: "this machine is not let in here",
  BUSY: "too many at once; try again later",
  RETRY: "not possible at the moment; try again later",
  UNREACHABLE: "the index cannot connect to where this peer listens",
  NOT_BACKED: "a file that this peer announced cannot be had from it",
  STORAGE_FULL: "the index has no room for more",
  TIMEOUT: "too slow",
  INTERNAL: "internal error",
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** After these the stream cannot be trusted any more: say so where possible, then close. */
const fatalCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "BAD_JSON",
  "LINE_TOO_LONG",
  "TOO_DEEP",
  "BAD_VERSION",
  "NOT_BACKED",
  "DENIED",
  "TIMEOUT",
]);

/** A message that breaks the protocol. `id` is that of the request at fault, null where none was readable. */
export class ProtocolError extends Error {
  constructor(
    readonly code: ErrorCode,
    readonly id: number | null = null,
    /** What exactly was wrong, in fixed words of ours; the code's sentence when not given. */
    detail?: string,
    /** After how long the same request makes sense again, where that is known. */
    readonly retryMs?: number,
  ) {
    super(detail ?? errorCodes[code]);
    this.name = "ProtocolError";
  }

  get fatal(): boolean {
    return fatalCodes.has(this.code);
  }
}
