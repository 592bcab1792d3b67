/**
 * The exchange that comes before everything else on an encrypted connection: each side proves that it holds the
 * network's token. The one that was connected to goes first, so that nobody learns anything from whoever connects.
 * What is proved, and why it cannot be passed on, is `trust/token-proof.ts`.
 */
import { randomBytes } from "node:crypto";
import { AnotherTokenError, AuthenticationError } from "../errors.ts";
import { clientProof, isProof, proofBytes, serverProof, type Transcript } from "../trust/token-proof.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import {
  decodeAuth,
  decodeClientProof,
  decodeServerProof,
  encodeAuth,
  encodeClientProof,
  encodeServerProof,
} from "../wire/proof-messages.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionUser } from "./connection-user.ts";

/** What one side knows once TLS is up. */
export interface ProvingSide {
  readonly connection: Pick<Connection, "send">;
  /** Of `proofKey`. */
  readonly key: Uint8Array;
  readonly own: Fingerprint;
  readonly other: Fingerprint | undefined;
  readonly exported: Uint8Array;
}

/** Of whoever connects. Ends with one call of `done`: with the reason when the other side has not proved itself. */
export class ConnectingSide implements ConnectionUser {
  private readonly nonce = new Uint8Array(randomBytes(proofBytes));

  constructor(
    private readonly side: ProvingSide & { other: Fingerprint },
    private readonly done: (problem: Error | undefined) => void,
  ) {}

  begin(): void {
    this.side.connection.send(encodeAuth(this.nonce));
  }

  onLine(line: Uint8Array): number {
    const { connection, key, own, other, exported } = this.side;
    const answer = decodeServerProof(line);
    const transcript: Transcript = {
      exported,
      clientFingerprint: own,
      serverFingerprint: other,
      clientLine: Buffer.from(encodeAuth(this.nonce).trimEnd()),
      serverNonce: answer.nonce,
    };
    if (!isProof(serverProof(key, transcript), answer.proof)) {
      this.done(
        new AnotherTokenError(
          "it does not know the token of this network: the token was changed (ask for a new link and run `p2p join`), " +
            "or it is another network's, or somebody is in between",
        ),
      );
      return 0;
    }
    connection.send(encodeClientProof(clientProof(key, transcript)));
    this.done(undefined);
    return 0;
  }

  onProtocolError(): void {
    this.done(new AuthenticationError("it does not speak our protocol over TLS"));
  }

  onClose(): void {
    // It may be busy, or just have ended: nothing that only somebody else would do.
    this.done(new Error("it closed the connection before it had let us in"));
  }
}

/** Of the accepting side. Says nothing to who proves nothing: `refused` ends the connection, and nobody learns why. */
export class AcceptingSide implements ConnectionUser {
  private transcript: Transcript | undefined;

  constructor(
    private readonly side: ProvingSide,
    private readonly outcome: { proved(): void; refused(): void },
  ) {}

  onLine(line: Uint8Array): number {
    const { key } = this.side;
    if (this.transcript === undefined) this.answer(line);
    else if (isProof(clientProof(key, this.transcript), decodeClientProof(line).proof)) this.outcome.proved();
    else this.outcome.refused();
    return 0;
  }

  onProtocolError(): void {
    this.outcome.refused();
  }

  onClose(): void {}

  private answer(line: Uint8Array): void {
    const { connection, key, own, other, exported } = this.side;
    decodeAuth(line);
    const serverNonce = new Uint8Array(randomBytes(proofBytes));
    this.transcript = {
      exported,
      clientFingerprint: other ?? "",
      serverFingerprint: own,
      // What came lies in a buffer that is used again.
      clientLine: new Uint8Array(line),
      serverNonce,
    };
    connection.send(encodeServerProof(serverNonce, serverProof(key, this.transcript)));
  }
}
