/**
 * What a peer shares at the moment, name by name, and the digest of all of it. Pure. What the index knows of it is
 * announcements.ts's business.
 *
 * Shared are the files of the folder and, beside them, running downloads: what of these is there is served too. A file
 * of the folder always goes before a download of the same name.
 */
import type { FileName } from "../wire/file-name.ts";
import { LibraryDigest } from "../wire/library-digest.ts";
import type { FileEntry, LibraryClaim } from "../wire/messages.ts";

export class SharedEntries {
  /** The folder's files. */
  private readonly files = new Map<FileName, FileEntry>();
  /** Downloads, in part or whole, whose name no file of the folder has. */
  private readonly downloads = new Map<FileName, FileEntry>();
  private readonly digest = new LibraryDigest();

  /** `onChange`: of this name there is something else now than there was `before`. */
  constructor(private readonly onChange: (name: FileName, before: FileEntry | undefined) => void) {}

  changed(added: Iterable<FileEntry>, removed: Iterable<FileName>): void {
    for (const name of removed) this.change(name, () => this.files.delete(name));
    for (const entry of added) {
      this.change(entry.name, () => {
        this.files.set(entry.name, entry);
        // From now on the folder says what there is of that name.
        this.downloads.delete(entry.name);
      });
    }
  }

  /** What there is of it so far is served. It goes with `downloadEnded`, or when the folder has a file of its name. */
  downloading(entry: FileEntry): void {
    const { name } = entry;
    if (!this.files.has(name)) this.change(name, () => this.downloads.set(name, { ...entry, partial: true }));
  }

  /** All of it is there, and is served. */
  downloaded(name: FileName): void {
    const entry = this.downloads.get(name);
    if (entry !== undefined) this.change(name, () => this.downloads.set(name, { ...entry, partial: false }));
  }

  /** It is not served any more, unless by the folder. */
  downloadEnded(name: FileName): void {
    this.change(name, () => this.downloads.delete(name));
  }

  get(name: FileName): FileEntry | undefined {
    return this.files.get(name) ?? this.downloads.get(name);
  }

  *names(): Iterable<FileName> {
    yield* this.files.keys();
    yield* this.downloads.keys();
  }

  get count(): number {
    return this.files.size + this.downloads.size;
  }

  /** All of it, as REGISTER says it in few bytes. */
  get claim(): LibraryClaim {
    return this.digest.claim;
  }

  // --- internal ---

  private change(name: FileName, apply: () => void): void {
    const before = this.get(name);
    apply();
    const after = this.get(name);
    if (before === after) return;
    if (before !== undefined) this.digest.remove(before);
    if (after !== undefined) this.digest.add(after);
    this.onChange(name, before);
  }
}
