/**
 * A token that is handed to the program itself, for machines that nobody joins by hand: in P2P_TOKEN, or in a file. A
 * command line is no place for it, as everybody on the machine can read that.
 */
import { reasonOf, systemCode, UsageError } from "../errors.ts";
import { printable } from "../printable.ts";
import { descriptorOf, readDescriptor, readSecretFile } from "../private-file.ts";
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

/** As `readTokenFile`; of a descriptor (`/dev/fd/3`) what comes until its end, whenever that is. Rejects with UsageError. */
export async function readToken(path: string): Promise<Secret> {
  const fd = descriptorOf(path);
  if (fd === undefined) return readTokenFile(path);
  try {
    return tokenIn(await readDescriptor(fd, maxFileBytes), path);
  } catch (error) {
    throw explained(error, path);
  }
}

/** The token in the file, behind which may be one end of line. Throws UsageError. */
export function readTokenFile(path: string): Secret {
  try {
    return tokenIn(readSecretFile(path, maxFileBytes), shown(path));
  } catch (error) {
    throw explained(error, shown(path));
  }
}

/** Who put the token where its file belongs does not want to see it in a log. */
function shown(path: string): string {
  return isTokenLike(path) ? "the file of --token-file" : printable(path, 500);
}

function tokenIn(bytes: Uint8Array | undefined, from: string): Secret {
  if (bytes === undefined)
    throw new UsageError(
      `cannot read the token from ${from}: it is no regular file, or too long for a token`,
    );
  const text = Buffer.from(bytes).toString();
  return parseToken(text.replace(/\r?\n$/, ""), from);
}

function explained(error: unknown, from: string): unknown {
  if (systemCode(error) === undefined) return error;
  return new UsageError(`cannot read the token from ${from}: ${reasonOf(error)}`, { cause: error });
}
