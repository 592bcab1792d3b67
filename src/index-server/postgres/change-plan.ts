/** What a REGISTER or UPDATE does to the rows of a peer, from what it has under the names in question. Pure. */
import type { FileName } from "../../wire/file-name.ts";
import { type DigestedFile, LibraryDigest } from "../../wire/library-digest.ts";
import type { FileEntry } from "../../wire/messages.ts";
import type { KeyedFile } from "./keys.ts";
import type { Held } from "./own-peer.ts";

/** A row of `holdings`, with its entry. */
export interface HeldFile extends DigestedFile {
  nameKey: string;
  entry: bigint;
}

/** As one line says it, or several: what is there twice counts as it is there last, and who is added is not removed. */
export interface Change {
  /** By the keys of their names. */
  readonly add: ReadonlyMap<string, KeyedFile>;
  /** Keys of names; undefined: whatever is not added. */
  readonly remove: ReadonlySet<string> | undefined;
}

export interface ChangePlan {
  /** New or with another content. */
  put: readonly KeyedFile[];
  /** Keys of names that go; undefined: all but `keep`. */
  drop: readonly string[] | undefined;
  keep: readonly string[];
  /** Entries that are another's row now. */
  replaced: readonly bigint[];
  /** What the peer could not be asked for before: new there, another content, or whole now and not before. */
  news: readonly KeyedFile[];
  files: number;
  digest: LibraryDigest;
}

/** What others have to know of it. */
export type ChangeEffect = Pick<ChangePlan, "news" | "drop" | "replaced">;

export function changeOf(
  add: readonly FileEntry[],
  remove: readonly FileName[] | undefined,
  keyed: (file: FileEntry) => KeyedFile,
  keyOf: (name: string) => string,
): Change {
  const added = new Map<string, KeyedFile>();
  for (const file of add) {
    const one = keyed(file);
    added.set(one.nameKey, one);
  }
  const removed = remove && new Set(remove.map(keyOf).filter((key) => !added.has(key)));
  return { add: added, remove: removed };
}

/** What comes of the first one and then the second, an UPDATE. */
export function joined(first: Change, second: Change): Change {
  const add = new Map(first.add);
  const remove = first.remove && new Set(first.remove);
  for (const key of second.remove ?? []) {
    add.delete(key);
    remove?.add(key);
  }
  for (const [key, one] of second.add) {
    add.set(key, one);
    remove?.delete(key);
  }
  return { add, remove };
}

/** Whether what one of them does to a name may depend on the other. */
export function haveNamesInCommon(one: Change, other: Change): boolean {
  if (one.remove === undefined || other.remove === undefined) return true;
  for (const key of namesOf(one)) if (other.add.has(key) || other.remove.has(key)) return true;
  return false;
}

/** Keys of all of them. */
export function* namesOf({ add, remove }: Change): Generator<string> {
  yield* add.keys();
  yield* remove ?? [];
}

/** `before`: what the peer has under the names of the change. */
export function planChange(
  { add, remove }: Change,
  held: Held,
  before: ReadonlyMap<string, HeldFile>,
): ChangePlan {
  const put: KeyedFile[] = [];
  const replaced: bigint[] = [];
  const news: KeyedFile[] = [];
  const isAnew = remove === undefined;
  const digest = isAnew ? new LibraryDigest() : LibraryDigest.of(held.digest.bytes, held.files);
  for (const one of add.values()) {
    const old = before.get(one.nameKey);
    const { file } = one;
    if (old !== undefined && old.entry === one.entry && isPartial(old) === isPartial(file)) {
      if (isAnew) digest.add(file);
      continue;
    }
    put.push(one);
    if (old !== undefined && !isAnew) digest.remove(old);
    digest.add(file);
    if (old !== undefined && old.entry !== one.entry) replaced.push(old.entry);
    if (old?.entry !== one.entry || !isPartial(file)) news.push(one);
  }
  const keep = isAnew ? [...add.keys()] : [];
  const drop = held.files === 0 ? [] : remove && [...remove].filter((key) => before.has(key));
  for (const key of drop ?? []) digest.remove(before.get(key)!);
  return { put, drop, keep, replaced, news, files: digest.count, digest };
}

function isPartial({ partial }: { partial?: boolean }): boolean {
  return partial === true;
}
