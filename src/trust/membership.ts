/** What a process needs to take part in a private network: who it is, and that it belongs there. */
import type { Identity } from "./identity.ts";
import { Secret } from "./secret.ts";
import { type ProofPurpose, proofKey } from "./token-proof.ts";

/** For a worker: as a message can carry it, so with the token in plain words. */
export interface PostedMembership {
  readonly identity: Identity;
  readonly token: string;
}

export class Membership {
  private readonly keys = new Map<ProofPurpose, Uint8Array>();

  constructor(
    readonly identity: Identity,
    private readonly token: Secret,
  ) {}

  static received({ identity, token }: PostedMembership): Membership {
    return new Membership(identity, new Secret(token));
  }

  posted(): PostedMembership {
    return { identity: this.identity, token: this.token.reveal() };
  }

  keyFor(purpose: ProofPurpose): Uint8Array {
    const known = this.keys.get(purpose) ?? proofKey(this.token, purpose);
    this.keys.set(purpose, known);
    return known;
  }
}
