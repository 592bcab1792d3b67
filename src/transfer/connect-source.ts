/** How a connection to a source is made, and what is told of one that failed or ended. */
import { AuthenticationError, reasonOf } from "../errors.ts";
import { connect } from "../net/connect.ts";
import type { Connection } from "../net/connection.ts";
import type { ConnectionUser } from "../net/connection-user.ts";
import type { Membership } from "../trust/membership.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";

/** Where a source is, and in a private network which machine has to answer there. */
export interface MeantSource {
  readonly host: string;
  readonly port: number;
  readonly fingerprint?: Fingerprint | undefined;
}

/** `membership`: undefined where nothing is encrypted. Rejects with what `endOf` makes words of. */
export async function connectToSource(
  { host, port, fingerprint: expected }: MeantSource,
  membership: Membership | undefined,
  user: ConnectionUser,
): Promise<Connection> {
  const address = { host, port };
  if (membership === undefined) return await connect(address, user);
  // Anybody with the token could answer there.
  if (expected === undefined) throw new AuthenticationError("the index does not say which machine it is");
  return await connect(address, user, { secure: { membership, purpose: "peer", expected: [expected] } });
}

/** `closed`: it may be tried again. */
export function endOf(error: unknown): { kind: "closed" | "another-machine"; reason: string } {
  if (error === undefined) return { kind: "closed", reason: "it closed the connection" };
  if (error instanceof AuthenticationError) return { kind: "another-machine", reason: error.message };
  return { kind: "closed", reason: reasonOf(error) };
}
