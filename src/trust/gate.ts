/** Whom this process has to do with, whatever others say of them. What decides it is net/gate.ts. */
import type { Fingerprint } from "../wire/fingerprint.ts";

export interface Gate {
  /** May it connect to us, may we connect to it? `fingerprint`: undefined while it is not known, or never will be. */
  admits(host: string, fingerprint?: Fingerprint): boolean;
  /** The same of somebody whom the user would have been shown: that some are left out is said once. */
  shows(host: string, fingerprint?: Fingerprint): boolean;
  /** `listener` is called whenever somebody may not be admitted any more, until the function returned is called. */
  onChange(listener: () => void): () => void;
  /** For a gate in another thread, of this moment. */
  posted(): PostedGate;
}

/** As text: networks of options, and who is banned. */
export interface PostedGate {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly bans: readonly string[];
}
