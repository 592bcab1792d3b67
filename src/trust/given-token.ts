/**
 * A token that is handed to the program itself, for machines that nobody joins by hand: in P2P_TOKEN, or in a file. A
 * command line is no place for it, as everybody on the machine can read that.
 */
import { reasonOf, systemCode, UsageError } from "../errors.ts";
import { printable } from "../printable.ts";
import { readDescriptor, readSecretFile } from "../private-file.ts";
import { Secret } from "./secret.ts";
import { isTokenLike, parseToken } from "./token.ts";

export const tokenVariable = "P2P_TOKEN";

/** Far more than the longest token. */
const maxFileBytes = 4 * 1024;

/** What the variable holds, whatever that is; from here on it is in nobody's environment, and in no child's. */
export function takeGivenToken(environment: Record<string, string | undefined>): Secret | undefined {
  const text = environment[tokenVariable];
  delete environment[tokenVariable];
  return text === undefined ? undefined : new Secret(text);
}

/** What was taken, as a token. Throws UsageError. */
export function checkedToken(given: Secret): Secret {
  return parseToken(given.reveal(), tokenVariable);
}

/** The token in the file (or what a descriptor has, `/dev/fd/3`), behind which may be one end of line. Throws UsageError. */
export function readTokenFile(path: string): Secret {
  // Who put the token where its file belongs does not want to see it in a log.
  const shown = isTokenLike(path) ? "the file of --token-file" : printable(path, 500);
  let bytes: Uint8Array | undefined;
  try {
    bytes = readDescriptor(path, maxFileBytes) ?? readSecretFile(path, maxFileBytes);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw new UsageError(`cannot read the token from ${shown}: ${reasonOf(error)}`, { cause: error });
  }
  if (bytes === undefined)
    throw new UsageError(
      `cannot read the token from ${shown}: it is no regular file, or too long for a token`,
    );
  return parseToken(
    Buffer.from(bytes)
      .toString()
      .replace(/\r?\n$/, ""),
    shown,
  );
}
