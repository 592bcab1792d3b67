/**
 * Places below a folder that the user named: makes the folders that the names of strangers want, and follows no link
 * below it, whoever swaps what for what meanwhile.
 */
import { lstatSync, mkdirSync, readdirSync, realpathSync, unlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { LocalIoError, type P2pError, reasonOf, systemCode } from "../errors.ts";
import { WalkedFolder } from "../library/walked-folder.ts";
import { printable } from "../printable.ts";
import { partialPrefix } from "../wire/file-name.ts";
import { draftSuffix } from "./drafts.ts";

/** Where something goes: as the user would write it, and as it is to be written to, without links on the way. */
export interface Place {
  shown: string;
  path: string;
}

/** What became of a folder: made now, there before, or the reason why nothing can be written there. */
type FolderState = "made" | "there" | P2pError;

/** A folder, and what the places of what is in it begin with. */
interface Folder {
  state: FolderState;
  shown: string;
  path: string;
}

/** A draft that nobody has touched for so long was left by a process that was killed. */
const abandonedMs = 600_000;

export class PlacesBelow {
  /** By name, without a slash at the end; the empty one is the folder itself. */
  private readonly folders = new Map<string, Folder>();
  private readonly walked = new WalkedFolder();
  /** As it is once it is there. */
  private realTop: string | undefined;

  /** `output` as the user wrote it. Links in it, and it itself, are theirs. */
  constructor(private readonly output: string) {}

  /** Absolute. */
  get top(): string {
    return this.realTop ?? resolve(this.output);
  }

  /** Makes the folder of what has that name, whose parts can be stored here. */
  place(name: string): Place | P2pError {
    const end = name.lastIndexOf("/");
    const { state, shown, path } = this.folderOf(name.slice(0, Math.max(0, end)));
    this.walked.closeSoon();
    if (typeof state !== "string") return state;
    const last = name.slice(end + 1);
    return { shown: shown + last, path: path + last };
  }

  /** Nothing can be in it but what we have put there. */
  isNew(folderName: string): boolean {
    return this.folders.get(folderName)?.state === "made";
  }

  private folderOf(name: string): Folder {
    const known = this.folders.get(name);
    if (known !== undefined) return known;
    const state = name === "" ? this.makeTop() : this.makeBelow(name);
    const folder = { state, shown: beginningIn(this.output, name), path: beginningIn(this.top, name) };
    this.folders.set(name, folder);
    if (state === "there") this.removeAbandoned(name);
    return folder;
  }

  private makeTop(): FolderState {
    try {
      const made = mkdirSync(this.top, { recursive: true });
      this.realTop = realpathSync(this.top);
      return made === undefined ? "there" : "made";
    } catch (error) {
      return this.failed("", error);
    }
  }

  private makeBelow(name: string): FolderState {
    const parts = name.split("/");
    const last = parts.pop() ?? "";
    const above = this.folderOf(parts.join("/")).state;
    if (typeof above !== "string") return above;
    let path = "";
    try {
      path = `${this.walked.to(this.top, parts)}/${last}`;
      mkdirSync(path);
      return "made";
    } catch (error) {
      if (systemCode(error) !== "EEXIST") return this.failed(name, error);
    }
    try {
      if (lstatSync(path).isSymbolicLink())
        return new LocalIoError(`cannot write to ${printable(this.shown(name))}: it is a link`);
      this.walked.to(this.top, [...parts, last]);
      return "there";
    } catch (error) {
      return this.failed(name, error);
    }
  }

  private failed(name: string, error: unknown): LocalIoError {
    return new LocalIoError(`cannot make the folder ${printable(this.shown(name))}: ${reasonOf(error)}`, {
      cause: error,
    });
  }

  private shown(name: string): string {
    return join(this.output, ...name.split("/"));
  }

  private removeAbandoned(name: string): void {
    // What is left does no harm: nobody shares it, and nobody takes it for a file.
    try {
      const folder = this.walked.to(this.top, name === "" ? [] : name.split("/"));
      for (const file of readdirSync(folder)) {
        if (!file.startsWith(partialPrefix) || !file.endsWith(draftSuffix)) continue;
        const path = `${folder}/${file}`;
        if (Date.now() - lstatSync(path).mtimeMs > abandonedMs) unlinkSync(path);
      }
    } catch {}
  }
}

/** Of all that lies in the folder of that name. */
function beginningIn(top: string, folder: string): string {
  return join(top, ...folder.split("/"), "x").slice(0, -1);
}
