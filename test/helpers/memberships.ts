/** Machines of a private network, for tests: identities take some milliseconds each, so they are made once. */
import { newIdentity } from "../../src/trust/identity.ts";
import { Membership } from "../../src/trust/membership.ts";
import { newToken } from "../../src/trust/token.ts";

export const token = newToken();
export const otherToken = newToken();

export const alice = new Membership(await newIdentity(), token);
export const bob = new Membership(await newIdentity(), token);
/** Holds another network's token. */
export const mallory = new Membership(await newIdentity(), otherToken);
