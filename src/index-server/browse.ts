/**
 * BROWSE: what is directly below a folder. Names are only ever asked for by where they begin, and a folder's own are
 * jumped over, so that a page costs by what is on it and not by what is below. Pure; a generator that rests, so that
 * nobody else waits for it.
 *
 * The order of names is not that of children: `a-b` comes before `a/x`, and so the file `a-b` before the folder `a` is
 * seen at all. Hence the look at what a child's name begins with.
 */
import type { FileName } from "../wire/file-name.ts";
import { maxContentsPerResult } from "../wire/limits.ts";
import type { FolderEntry, FolderFile } from "../wire/view-messages.ts";
import type { FolderPage } from "./catalog.ts";

/** All names, whoever has them, in the order of their bytes. */
export interface NameSource {
  /** The first that is `bound` or comes later. */
  firstFrom(bound: string): string | undefined;
  /** The first that comes later than `bound`. */
  firstAfter(bound: string): string | undefined;
  /** Whether a live peer has something whole under that name. */
  isThere(name: string): boolean;
  /** Contents that live peers have whole under that name, most sources first. */
  /** Rests, too. */
  filesOf(name: string): Generator<void, readonly FileOfName[]>;
}

export type FileOfName = Omit<FolderFile, "folder" | "name">;

/** Looked at for one page, whether somebody is there or not: as for LIST. */
const maxNamesPerPage = 200_000;
/** When so many names below a folder are nobody's any more, it is shown all the same until they are gone. */
const maxNamesPerFolder = 10_000;
/** Sorts right behind the `/` of a folder. */
const behindSlash = String.fromCharCode("/".charCodeAt(0) + 1);

/** At most `limit` entries, of children that come after `after`. */
export function* browse(
  names: NameSource,
  folder: string,
  after: string,
  limit: number,
): Generator<void, FolderPage> {
  const children = new Children(names, folder === "" ? "" : `${folder}/`, after);
  const entries: FolderEntry[] = [];
  let last = after as FileName;
  for (;;) {
    const child = children.next();
    if (child === undefined) return { entries, next: undefined };
    const name = child.name as FileName;
    const found: FolderEntry[] = [];
    if (child.isFolder && (yield* children.isPeopled(child.name))) found.push({ folder: true, name });
    if (child.isFile) {
      const files = yield* names.filesOf(children.prefix + name);
      for (const file of files.slice(0, maxContentsPerResult)) found.push({ folder: false, name, ...file });
    }
    if (entries.length > 0 && entries.length + found.length > limit) return { entries, next: last };
    entries.push(...found.slice(0, limit));
    last = name;
    if (children.looked >= maxNamesPerPage) return { entries, next: last };
    yield;
  }
}

interface Child {
  name: string;
  isFile: boolean;
  isFolder: boolean;
}

/** The children of one folder, in the order of their bytes, live or not. */
class Children {
  /** Names so far. */
  looked = 0;
  /** Where names of later children begin. */
  private ahead: string | undefined;

  constructor(
    private readonly names: NameSource,
    readonly prefix: string,
    private last: string,
  ) {
    this.ahead = this.after(last);
  }

  next(): Child | undefined {
    const first = this.firstAhead();
    if (first === undefined) return undefined;
    const hidden = this.folderBefore(childOf(first, this.prefix));
    if (hidden !== undefined) {
      this.last = hidden;
      return { name: hidden, isFile: false, isFolder: true };
    }
    const name = childOf(first, this.prefix);
    const isFile = first === this.prefix + name;
    this.last = name;
    if (isFile) this.ahead = this.after(name);
    return { name, isFile, isFolder: !isFile || this.isFolder(name) };
  }

  /** Whether somebody has a file below it. */
  *isPeopled(child: string): Generator<void, boolean> {
    const inside = `${this.prefix}${child}/`;
    let name = this.from(inside);
    for (let i = 0; i < maxNamesPerFolder; i++) {
      if (name === undefined || !name.startsWith(inside)) return false;
      if (this.names.isThere(name)) return true;
      yield;
      this.looked++;
      name = this.names.firstAfter(name);
    }
    return true;
  }

  // --- internal ---

  /** The first name ahead of a child later than the last one. Names of earlier ones may still come: `a/x` after `a-b`. */
  private firstAhead(): string | undefined {
    while (this.ahead?.startsWith(this.prefix)) {
      const child = childOf(this.ahead, this.prefix);
      if (isBefore(this.last, child)) return this.ahead;
      this.ahead = this.from(this.prefix + child + behindSlash);
    }
    return undefined;
  }

  /** The first folder that comes before that child, though what is in it comes after: the child's name begins with its. */
  private folderBefore(child: string): string | undefined {
    for (let end = 1; end < child.length; end++) {
      if (child[end]! >= "/") continue;
      const folder = child.slice(0, end);
      if (
        isBefore(this.last, folder) &&
        this.from(`${this.prefix}${folder}/`)?.startsWith(`${this.prefix}${folder}/`)
      )
        return folder;
    }
    return undefined;
  }

  /** Of a file: what is ahead of it says mostly that there is no folder of that name. */
  private isFolder(file: string): boolean {
    if (!this.ahead?.startsWith(this.prefix + file)) return false;
    const inside = `${this.prefix}${file}/`;
    return this.from(inside)?.startsWith(inside) === true;
  }

  private from(bound: string): string | undefined {
    this.looked++;
    return this.names.firstFrom(bound);
  }

  private after(child: string): string | undefined {
    this.looked++;
    return this.names.firstAfter(this.prefix + child);
  }
}

function childOf(name: string, prefix: string): string {
  const end = name.indexOf("/", prefix.length);
  return name.slice(prefix.length, end === -1 ? undefined : end);
}

/** In the order of their bytes. */
function isBefore(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
}
