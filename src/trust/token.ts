/**
 * The token of a network: who holds it may take part. It is proved and never sent (token-proof.ts), so all that
 * protects it from being guessed is that there is enough chance in it.
 */
import { randomBytes } from "node:crypto";
import { UsageError } from "../errors.ts";
import { Secret } from "./secret.ts";

/** 256 bits, which nobody guesses. */
const tokenBytes = 32;
/** As many characters hold 132 bits if they were drawn by lot; a shorter token was thought up by somebody. */
const minCharacters = 22;
const maxCharacters = 128;
const legal = /^[A-Za-z0-9_-]+$/;

export function newToken(): Secret {
  return new Secret(randomBytes(tokenBytes).toString("base64url"));
}

/** Whether it could be one. */
export function isTokenLike(text: string): boolean {
  return legal.test(text) && text.length >= minCharacters && text.length <= maxCharacters;
}

/** `where` it stands, for the error. Throws a UsageError that does not repeat the text. */
export function parseToken(text: string, where: string): Secret {
  if (text.length === 0) throw new UsageError(`${where} is empty: it should hold the network's token`);
  if (!legal.test(text))
    throw new UsageError(`${where} is no token: one has only letters, digits, - and _ (\`p2p token new\`)`);
  if (!isTokenLike(text))
    throw new UsageError(
      `${where} is no token: one has ${minCharacters} to ${maxCharacters} characters (\`p2p token new\`)`,
    );
  return new Secret(text);
}
