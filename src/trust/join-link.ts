/**
 * The one line by which another machine joins a private network: where its index is, who has to answer there, and the
 * token. `p2p://HOST:PORT[,HOST:PORT…]/#TOKEN.FINGERPRINT.CHECK`, specified in PROTOCOL.md, section 9.
 *
 * It has the form of a URL because programs and people know where one begins and ends; the secret stands behind the `#`,
 * which a browser that it is pasted into by mistake sends to nobody. The check tells a link that was cut or mistyped
 * from one whose token is no longer right, before anything is asked over the network. Pure, but for the hashing.
 */
import { createHash } from "node:crypto";
import { type Address, formatAddress, parseAddress } from "../address.ts";
import { UsageError } from "../errors.ts";
import { type Fingerprint, fingerprint } from "../wire/fingerprint.ts";
import type { Secret } from "./secret.ts";
import { parseToken } from "./token.ts";

export interface JoinLink {
  /** Of one index, in the order in which they are to be tried. */
  readonly addresses: readonly Address[];
  readonly token: Secret;
  /** Of that index. */
  readonly fingerprint: Fingerprint;
}

export const linkScheme = "p2p://";
export const maxLinkAddresses = 16;
/** Of any link: so many addresses with the longest names have room. */
export const maxLinkCharacters = 8_192;
/** 36 bits: one mistyped link in 69 thousand million is taken for whole. */
const checkCharacters = 6;

/** The link itself, in plain words. */
export function formatJoinLink({ addresses, token, fingerprint: index }: JoinLink): string {
  const where = addresses.map(formatAddress).join(",");
  const who = Buffer.from(index, "hex").toString("base64url");
  const checked = `${linkScheme}${where}/#${token.reveal()}.${who}`;
  return `${checked}.${checkOf(checked)}`;
}

/** Throws a UsageError that says what is wrong and repeats nothing of the link. */
export function parseJoinLink(text: string): JoinLink {
  if (text === "") throw new UsageError(`there is no link: ${howToGetIt}`);
  if (text.length > maxLinkCharacters) throw new UsageError(`this is too long for a link: ${howToGetIt}`);
  if (!text.startsWith(linkScheme))
    throw new UsageError(`this is no link to join with, which begins with ${linkScheme}: ${howToGetIt}`);
  if (/\s/.test(text))
    throw new UsageError("the link has a space or a line break in it: copy it as one line");
  const end = text.lastIndexOf(".");
  if (end === -1 || checkOf(text.slice(0, end)) !== text.slice(end + 1))
    throw new UsageError(`the link is not whole, or was mistyped: ${howToGetIt}`);
  const link = parseWhole(text.slice(linkScheme.length, end));
  // One link, one way to write it.
  if (formatJoinLink(link) !== text)
    throw new UsageError("the link is written in another form than links are");
  return link;
}

const howToGetIt = "`p2p token show` prints it, on the machine of the index and on those that have joined";

/** What is between the scheme and the check, which is right: so none of these faults comes from copying. */
function parseWhole(text: string): JoinLink {
  const [where = "", secret = "", ...more] = text.split("/#");
  const [token = "", who, ...evenMore] = secret.split(".");
  if (who === undefined || more.length > 0 || evenMore.length > 0)
    throw new UsageError("the link has other parts than links have: is it of a newer version of p2p?");
  const index = fingerprint(Buffer.from(who, "base64url").toString("hex"));
  if (index === undefined) throw new UsageError("the link has no fingerprint of an index");
  return {
    addresses: parseAddresses(where),
    token: parseToken(token, "the token in the link"),
    fingerprint: index,
  };
}

function parseAddresses(text: string): Address[] {
  const parts = text.split(",");
  if (parts.length > maxLinkAddresses)
    throw new UsageError(`the link has more than ${maxLinkAddresses} addresses`);
  return parts.map((part) => {
    const found = parseAddress(part);
    // A zone is a number of one machine's own.
    if (found === undefined || found.port === 0 || found.host.includes("%"))
      throw new UsageError("the link has an address that is none");
    return found;
  });
}

function checkOf(text: string): string {
  return createHash("sha256").update(`p2p-link-v1\0${text}`).digest("base64url").slice(0, checkCharacters);
}
