import type { P2pError } from "../errors.ts";

/** What `p2p doctor` finds out about one thing. */
export interface Finding {
  /** A word or two: `index`, `disk speed`. */
  check: string;
  status: "ok" | "warn" | "fail" | "skipped";
  /** One line, printable. */
  detail: string;
  /** What to do about it: a command where there is one. */
  mend?: string;
  /** What failed, where that tells more than "something local": it decides the exit code. */
  cause?: P2pError;
}
