/** What crosses between the uploader (one thread, knows the library) and its workers. Never bytes of a file. */
import type { ServedFileOptions } from "./served-file.ts";

export type ToUploadWorker =
  | {
      kind: "listen";
      host: string;
      port: number;
      reusePort: boolean;
      maxConnections: number;
      maxConnectionsPerHost: number;
    }
  /** The answer to `find`. */
  | { kind: "content"; root: string; content: ServedFileOptions | undefined }
  | { kind: "stop" };

export type FromUploadWorker =
  | { kind: "listening" }
  | { kind: "listen-failed"; code: string | undefined; reason: string }
  | { kind: "find"; root: string }
  /** The file is not what it was when it was hashed. */
  | { kind: "changed"; path: string }
  /** Bytes of contents handed to the kernel since the last report, and connections open now. */
  | { kind: "served"; bytes: number; connections: number }
  /** A connection was ended by a fault of ours. */
  | { kind: "bug"; reason: string }
  | { kind: "stopped" };
