/**
 * Everything that can end a command, as one class a fault. The exit code travels inside the error, so that
 * `main.ts`, the one place that prints a failure, needs no table. What is not a `P2pError` is a bug: it gets a
 * stack trace and exit 1.
 *
 * What a *stranger on the wire* is told is a different thing: see `wire/protocol-error.ts`.
 */
export const ExitCode = {
  ok: 0,
  internal: 1,
  usage: 2,
  notFound: 3,
  ambiguous: 4,
  noSource: 5,
  verification: 6,
  localIo: 7,
  index: 8,
  wouldOverwrite: 9,
  authentication: 10,
  interrupted: 130,
  terminated: 143,
} as const;

export abstract class P2pError extends Error {
  /** Stable name for machines: the `code` of the JSON error event. */
  abstract readonly code: string;
  abstract readonly exit: number;

  override get name(): string {
    return this.constructor.name;
  }
}

/** The command line, an environment variable or the config file is wrong. */
export class UsageError extends P2pError {
  readonly code = "USAGE";
  readonly exit = ExitCode.usage;
}

/** No peer of the index has that name (or no content of that name has the root asked for). */
export class NotFoundError extends P2pError {
  readonly code = "NOT_FOUND";
  readonly exit = ExitCode.notFound;
}

/** The name stands for several contents and nothing said which one is meant. */
export class AmbiguousError extends P2pError {
  readonly code = "AMBIGUOUS";
  readonly exit = ExitCode.ambiguous;
}

/** Nobody delivered a verified byte in time, or nobody has the content any more. The partial file is kept. */
export class NoSourceError extends P2pError {
  readonly code = "NO_SOURCE";
  readonly exit = ExitCode.noSource;
}

/** No source is left and at least one of them sent wrong data. */
export class VerificationError extends P2pError {
  readonly code = "VERIFICATION";
  readonly exit = ExitCode.verification;
}

/** The local machine said no: disk full, permission, port or file in use, a database that cannot be opened. */
export class LocalIoError extends P2pError {
  readonly code = "LOCAL_IO";
  readonly exit = ExitCode.localIo;
}

/** The index cannot be reached, does not answer, or talks nonsense. */
export class IndexError extends P2pError {
  readonly code = "INDEX_UNREACHABLE";
  readonly exit = ExitCode.index;
}

/** The other side is not who it should be, or we are not let in. */
export class AuthenticationError extends P2pError {
  readonly code = "AUTHENTICATION";
  readonly exit = ExitCode.authentication;
}

/** Who answered holds another token than we do: where it is known to be the machine that is meant, ours is the old one. */
export class AnotherTokenError extends AuthenticationError {}

/** A different file is where the download would go, and `--force` was not given. */
export class WouldOverwriteError extends P2pError {
  readonly code = "WOULD_OVERWRITE";
  readonly exit = ExitCode.wouldOverwrite;
}

/** A signal, or Ctrl-C in the prompt, ended the command. */
export class InterruptedError extends P2pError {
  readonly code = "INTERRUPTED";

  constructor(
    message: string,
    readonly exit: number = ExitCode.interrupted,
  ) {
    super(message);
  }
}

/** The `code` of a failed system call (`ENOSPC`, `EADDRINUSE` …), or undefined when it is no such error. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

const reasons: Record<string, string> = {
  EACCES: "permission denied",
  EADDRINUSE: "the port is in use",
  EADDRNOTAVAIL: "that address is not one of this machine",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EDQUOT: "disk quota exceeded",
  EFBIG: "the file is larger than allowed here",
  EIO: "input/output error",
  EISDIR: "it is a folder",
  ELOOP: "it is a symbolic link",
  EMFILE: "too many open files",
  ENAMETOOLONG: "the name is too long for this file system",
  ENOENT: "no such file or folder",
  ENOSPC: "no space left on the device",
  ENOTDIR: "a part of the path is not a folder",
  ENOTFOUND: "no such host",
  EPERM: "operation not permitted",
  EROFS: "the file system is read-only",
  ETIMEDOUT: "timed out",
};

/** The failed system call in words a person understands, with its code: `permission denied (EACCES)`. */
export function reasonOf(error: unknown): string {
  const code = systemCode(error);
  if (code === undefined) return error instanceof Error ? error.message : String(error);
  const reason = reasons[code];
  return reason === undefined ? `${error instanceof Error ? error.message : code}` : `${reason} (${code})`;
}
