/** What a process needs to take part in a private network: who it is, and that it belongs there. */
import type { Identity } from "./identity.ts";
import { Secret } from "./secret.ts";
import { newToken } from "./token.ts";
import { type ProofPurpose, proofKey } from "./token-proof.ts";

/** For a worker: as a message can carry it, so with the token in plain words. */
export interface PostedMembership {
  readonly identity: Identity;
  readonly token: string;
}

export class Membership {
  private readonly keys = new Map<ProofPurpose, Uint8Array>();
  private readonly listeners = new Set<() => void>();
  private isOld = false;

  constructor(
    readonly identity: Identity,
    private token: Secret,
  ) {}

  static received({ identity, token }: PostedMembership): Membership {
    return new Membership(identity, new Secret(token));
  }

  /** For who connects to others. */
  posted(): PostedMembership {
    return { identity: this.identity, token: this.token.reveal() };
  }

  /** For who is connected to. While the token is an old one nobody is let in by it: it may be in wrong hands. */
  postedForGuests(): PostedMembership {
    return this.isOld ? { identity: this.identity, token: newToken().reveal() } : this.posted();
  }

  keyFor(purpose: ProofPurpose): Uint8Array {
    const known = this.keys.get(purpose) ?? proofKey(this.token, purpose);
    this.keys.set(purpose, known);
    return known;
  }

  /** From now on this is the token. False when it was that before. */
  renew(token: Secret): boolean {
    if (token.equals(this.token)) return false;
    this.token = token;
    this.keys.clear();
    this.isOld = false;
    this.tell();
    return true;
  }

  /** The network's index has told just now whether the token is still the network's. False when that is no news. */
  setOld(isOld: boolean): boolean {
    if (isOld === this.isOld) return false;
    this.isOld = isOld;
    this.tell();
    return true;
  }

  /** Called when `posted` or `postedForGuests` is another. Returns what ends that. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}
