/**
 * The last line before secrets would be seen: what is logged and what is told of a failure passes through here, whoever
 * wrote it. That no secret gets this far is the business of `trust/secret.ts`.
 */
const shown = "[secret]";
/** Shorter ones stand in ordinary words, which blanks in their place would give away. */
const minCharacters = 8;

const known = new Set<string>();
let anyKnown: RegExp | undefined;

/** From now on `text`, as it is or in base64, hex, JSON or a URL, is in nothing that passes through here. */
export function neverShow(text: string): void {
  if (text.length < minCharacters || known.has(text)) return;
  for (const form of formsOf(text)) known.add(form);
  const longestFirst = [...known].sort((one, other) => other.length - one.length);
  anyKnown = new RegExp(longestFirst.map((form) => RegExp.escape(form)).join("|"), "g");
}

function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const hex = bytes.toString("hex");
  // Without the padding, so that it is found with and without.
  const [base64, base64url] = [bytes.toString("base64").replace(/=+$/, ""), bytes.toString("base64url")];
  const [json, url] = [JSON.stringify(text).slice(1, -1), encodeURIComponent(text.toWellFormed())];
  return [text, hex, hex.toUpperCase(), base64, base64url, json, url];
}

/** For data: where nothing but a secret that is known may be taken out. */
export function withoutKnownSecrets(text: string): string {
  return anyKnown === undefined ? text : text.replace(anyKnown, shown);
}

/** Somebody may have put a link where a name belongs; then no secret is known yet. */
const linkSecret = /(p2p:\/\/(?:(?!p2p:\/\/)[^\s#"'`])*#)[^\s"'`]+/gi;
/** As long as the tokens that we make, and drawn by lot: no word, no digest in hex, and no name with a dot or a blank. */
const tokenWord = /(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{43}(?![\w-])/g;
/** Longer than any scheme there is: a text that could be nothing but schemes is not looked through again from each letter. */
const urlPassword = /(\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s/:@"'`]*:)[^\s/"'`]+@/gi;

/** For what people read: also without what may be a token, the secret of a link and the password of a URL, known or not. */
export function redacted(text: string): string {
  const clean = withoutKnownSecrets(text).replace(tokenWord, shown);
  return clean.includes("://")
    ? clean.replace(linkSecret, `$1${shown}`).replace(urlPassword, `$1${shown}@`)
    : clean;
}
