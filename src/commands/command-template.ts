/**
 * A command that people give once and that runs for many files: its words, and where the name of a file goes. Pure. No
 * shell is between: the names are those of strangers, and to a shell a name could be a command.
 */
import { basename } from "node:path";
import { UsageError } from "../errors.ts";
import { printable } from "../printable.ts";

const placeholder = "{}";

/** Programs that take a text for a command: what is put into that text is run. */
const shells = new Set(["sh", "bash", "dash", "zsh", "ksh", "fish", "csh", "tcsh", "busybox", "ssh", "eval"]);

export class CommandTemplate {
  private constructor(private readonly words: readonly string[]) {}

  /** Throws UsageError. */
  static parse(text: string): CommandTemplate {
    const words = wordsOf(text);
    if (words.length === 0) throw new UsageError("--exec needs a command");
    checkShells(words);
    return new CommandTemplate(words);
  }

  get program(): string {
    return this.words[0]!;
  }

  /** What to run for a file of that name. Throws UsageError when the program would take the name for an option. */
  argvFor(name: string): string[] {
    let isPastOptions = false;
    return this.words.map((word) => {
      if (name.startsWith("-") && word.startsWith(placeholder) && !isPastOptions)
        throw new UsageError("the name would be taken for an option: put -- before the {} of --exec");
      if (word === "--") isPastOptions = true;
      return word.replaceAll(placeholder, () => name);
    });
  }
}

/** Blanks separate; quotes of both kinds and a backslash keep what they are around from separating. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  const part = /\s+|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)/gsy;
  let word: string | undefined;
  let at = 0;
  while (at < text.length) {
    part.lastIndex = at;
    const match = part.exec(text);
    if (match === null)
      throw new UsageError(`--exec has a quote or a backslash that nothing follows: ${printable(text)}`);
    at = part.lastIndex;
    const [, single, double, escaped, plain] = match;
    const some = single ?? double?.replace(/\\(["\\])/g, "$1") ?? escaped ?? plain;
    if (some !== undefined) word = (word ?? "") + some;
    else if (word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/**
 * `sh -c 'wc -c "$1"' sh {}` is fine, as is `sh -c 'wc -c "$P2P_NAME"'`; `sh -c 'wc -c {}'` lets a stranger's name be
 * a command. `env sh …` and the like are looked through as well: each word may be the shell.
 */
function checkShells(words: readonly string[]): void {
  const at = words.findIndex((word) => shells.has(basename(word)));
  if (at === -1) return;
  const inside = words.slice(at + 1);
  const script = inside.findIndex((word) => /^-[a-z]*c$/.test(word)) + 1;
  const isRisky = inside.some(
    (word, i) => word.includes(placeholder) && (word !== placeholder || i <= script || words[at] === "ssh"),
  );
  if (!isRisky) return;
  throw new UsageError(
    `--exec would let ${printable(words[at]!)} run the names of others as commands: ` +
      'write "$P2P_NAME" there in place of {}',
  );
}
