/**
 * The one way in which text from elsewhere (names, agents, error messages of a peer) reaches a terminal or a
 * log. JSON does not do: it escapes C0 but neither C1 (0x9B starts a terminal sequence) nor bidirectional
 * overrides.
 */
const maxLength = 200;

/** Letters, marks, numbers, punctuation, symbols, the plain space and the zero-width joiner of emoji. */
const harmless = /^[\p{L}\p{M}\p{N}\p{P}\p{S} \u200d]*$/u;
const harmful = /[^\p{L}\p{M}\p{N}\p{P}\p{S} \u200d]/gu;

/**
 * `text` with everything that could move a cursor, hide or reorder characters written as `\u{…}`, cut to
 * `limit` characters (with `…`).
 */
export function printable(text: string, limit: number = maxLength): string {
  const safe = harmless.test(text)
    ? text
    : text.toWellFormed().replace(harmful, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
  return safe.length <= limit ? safe : `${safe.slice(0, limit - 1).toWellFormed()}…`;
}
