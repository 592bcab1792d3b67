/**
 * How two sides of one TLS connection show each other that they hold the same token, without saying it, in the manner
 * of SCRAM's channel binding (RFC 5802 with RFC 9266). What is proved holds for this very TLS connection: the exporter
 * (RFC 8446, 7.5) is another one on each side of somebody in between, and another one in every connection, so that
 * nothing can be passed on and nothing replayed. Different words for the two sides: neither proof can be sent back.
 * Pure, but for the hashing.
 */
import { createHash, createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { Fingerprint } from "../wire/fingerprint.ts";
import type { Secret } from "./secret.ts";

/** What a token is used for: proofs for one are none for the other. */
export type ProofPurpose = "index" | "peer";

/** Bytes of a proof, of what TLS exports, and of the number that each side draws by lot. */
export const proofBytes = 32;

/** What both sides of a connection know of it. */
export interface Transcript {
  /** `proofBytes` of TLS's exporter with the label below and no context. */
  readonly exported: Uint8Array;
  /** What the connecting side showed; none: empty. */
  readonly clientFingerprint: Fingerprint | "";
  readonly serverFingerprint: Fingerprint;
  /** The line AUTH as it was sent, without its newline. */
  readonly clientLine: Uint8Array;
  /** `nonce` of the answer. */
  readonly serverNonce: Uint8Array;
}

export const exporterLabel = "EXPORTER-p2p-auth-v1";

/** The key that proofs are made with. Compute it once. */
export function proofKey(token: Secret, purpose: ProofPurpose): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", token.reveal(), "p2p-auth-v1", purpose, proofBytes));
}

export function serverProof(key: Uint8Array, transcript: Transcript): Uint8Array {
  return proof(key, "server", transcript);
}

export function clientProof(key: Uint8Array, transcript: Transcript): Uint8Array {
  return proof(key, "client", transcript);
}

/** Takes the same time wherever they differ. */
export function isProof(wanted: Uint8Array, given: Uint8Array): boolean {
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** Every part has a fixed length or is hashed, so no two transcripts are the same bytes. */
function proof(key: Uint8Array, side: "server" | "client", transcript: Transcript): Uint8Array {
  const { exported, clientFingerprint, serverFingerprint, clientLine, serverNonce } = transcript;
  const mac = createHmac("sha256", key);
  mac.update(`${side}\0${clientFingerprint}\0${serverFingerprint}\0`);
  mac.update(exported);
  mac.update(createHash("sha256").update(clientLine).digest());
  mac.update(serverNonce);
  return new Uint8Array(mac.digest());
}
