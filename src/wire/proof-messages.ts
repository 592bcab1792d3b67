/**
 * The lines with which both sides of an encrypted connection prove that they hold the network's token, before anything
 * else is said (PROTOCOL.md, Private networks). What the proofs are made of is `trust/token-proof.ts`'s business.
 */
import { type Fields, parseLine } from "./json.ts";
import { protocolVersion } from "./limits.ts";
import { ProtocolError } from "./protocol-error.ts";

/** The first line of whoever connects. */
export interface Auth {
  type: "AUTH";
  nonce: Uint8Array;
}

/** What the other side answers: its own part by lot, and its proof. */
export interface ServerProof {
  type: "PROOF";
  nonce: Uint8Array;
  proof: Uint8Array;
}

/** And at last that of whoever connects, who may go on at once. */
export interface ClientProof {
  type: "PROOF";
  proof: Uint8Array;
}

export function encodeAuth(nonce: Uint8Array): string {
  return line({ type: "AUTH", version: protocolVersion, nonce: base64url(nonce) });
}

export function encodeServerProof(nonce: Uint8Array, proof: Uint8Array): string {
  return line({ type: "PROOF", nonce: base64url(nonce), proof: base64url(proof) });
}

export function encodeClientProof(proof: Uint8Array): string {
  return line({ type: "PROOF", proof: base64url(proof) });
}

export function decodeAuth(text: Uint8Array): Auth {
  const fields = typed(text, "AUTH");
  if (fields.version !== protocolVersion) throw new ProtocolError("BAD_VERSION");
  return { type: "AUTH", nonce: bytesField(fields, "nonce") };
}

export function decodeServerProof(text: Uint8Array): ServerProof {
  const fields = typed(text, "PROOF");
  return { type: "PROOF", nonce: bytesField(fields, "nonce"), proof: bytesField(fields, "proof") };
}

export function decodeClientProof(text: Uint8Array): ClientProof {
  return { type: "PROOF", proof: bytesField(typed(text, "PROOF"), "proof") };
}

function typed(text: Uint8Array, type: string): Fields {
  const fields = parseLine(text);
  if (fields.type !== type) throw new ProtocolError("BAD_STATE");
  return fields;
}

/** 32 bytes in base64url without padding, in the one form that such bytes have. */
function bytesField(fields: Fields, key: string): Uint8Array {
  const value = fields[key];
  if (typeof value !== "string" || value.length !== 43) throw new ProtocolError("BAD_MESSAGE");
  const bytes = new Uint8Array(Buffer.from(value, "base64url"));
  if (base64url(bytes) !== value) throw new ProtocolError("BAD_MESSAGE");
  return bytes;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

function line(message: object): string {
  return `${JSON.stringify(message)}\n`;
}
