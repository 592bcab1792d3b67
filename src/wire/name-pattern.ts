/**
 * The patterns of LIST: which names fit, and what all of them begin with. Pure. (PROTOCOL.md says what `*`, `?`, `**`
 * and a `/` at the end mean.)
 *
 * No pattern takes exponential time: of all `*` in a part, and of all `**` in a pattern, only the last one passed is
 * ever tried again, which is enough because what stands between two of them always fits in the same way. So for one
 * name at most every character of the pattern is compared with every character of the name.
 */

const anyParts = "**";

export class NamePattern {
  /** What every name that fits begins with. */
  readonly prefix: string;
  /** Only the prefix itself fits. */
  readonly isName: boolean;
  /** All of a folder, or everything: what is longer than the prefix fits. */
  private readonly isFolder: boolean;
  private readonly parts: string[];

  constructor(pattern: string) {
    const whole = pattern.endsWith("/") ? pattern + anyParts : pattern;
    const magic = whole.search(/[*?]/);
    this.prefix = magic === -1 ? whole : whole.slice(0, magic);
    this.isName = magic === -1;
    this.isFolder = whole === this.prefix + anyParts && (this.prefix === "" || this.prefix.endsWith("/"));
    this.parts = whole.split("/");
  }

  matches(name: string): boolean {
    if (!name.startsWith(this.prefix)) return false;
    if (this.isName) return name === this.prefix;
    return this.isFolder ? name.length > this.prefix.length : this.partsFit(name.split("/"));
  }

  private partsFit(names: readonly string[]): boolean {
    const { parts } = this;
    let part = 0;
    let at = 0;
    /** Where to go on when it does not fit: behind the last `**`, with one part of the name more left to that. */
    let retry: { part: number; at: number } | undefined;
    while (at < names.length) {
      if (parts[part] === anyParts) {
        // A `**` at the end takes at least one part: `dir/` is what is below, not a file of that name.
        if (part === parts.length - 1) return true;
        part++;
        retry = { part, at };
      } else if (part < parts.length && partFits(parts[part]!, names[at]!)) {
        part++;
        at++;
      } else {
        if (retry === undefined) return false;
        at = ++retry.at;
        part = retry.part;
      }
    }
    return part === parts.length;
  }
}

/** As above, for the characters of one part. */
function partFits(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let retry: { p: number; n: number } | undefined;
  while (n < name.length) {
    const sign = pattern[p];
    if (sign === "*") {
      p++;
      if (p === pattern.length) return true;
      retry = { p, n };
    } else if (sign === "?") {
      p++;
      n += characterLength(name, n);
    } else if (sign !== undefined && sign === name[n]) {
      p++;
      n++;
    } else {
      if (retry === undefined) return false;
      retry.n += characterLength(name, retry.n);
      n = retry.n;
      p = retry.p;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/** In UTF-16 units. Names are well-formed. */
function characterLength(text: string, at: number): 1 | 2 {
  return text.codePointAt(at)! > 0xffff ? 2 : 1;
}
