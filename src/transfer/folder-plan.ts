/**
 * Which files a folder or a pattern stands for, and whether they can lie beside each other on the receiving side.
 * Pure: decides before anything is written.
 */
import { type FileName, safePartProblem } from "../wire/file-name.ts";
import type { ListedFile } from "../wire/messages.ts";

export interface FolderPlan {
  /** In the order of their names, each name once. */
  files: ListedFile[];
  /** Names that stand for several contents, or that cannot be stored here; each alone, the others go on. */
  problems: { name: FileName; reason: string; kind: "ambiguous" | "unstorable" }[];
  /** Two names that some file systems take for one, or of which one would be a folder of the other. */
  clash: { first: string; second: string; reason: string } | undefined;
}

/** Told the names as they come, page by page, so that most of it is done while the next page is waited for. */
export class FolderPlanner {
  /** In the order in which the names came. */
  private readonly contents = new Map<FileName, ListedFile[]>();
  private readonly unstorable = new Map<FileName, string>();
  private readonly tree = new NameTree();
  private clash: FolderPlan["clash"];
  /** The last folder, and what is wrong with its name. */
  private folder = { name: "", problem: undefined as string | undefined };

  constructor(private readonly platform: NodeJS.Platform) {}

  add(listed: readonly ListedFile[]): void {
    for (const file of listed) {
      const { name, root, sizeBytes } = file;
      const there = this.contents.get(name);
      if (there === undefined) this.addName(name, file);
      else if (!there.some((other) => other.root === root && other.sizeBytes === sizeBytes)) there.push(file);
    }
  }

  /** Once all are told. */
  plan(): FolderPlan {
    const plan: FolderPlan = { files: [], problems: [], clash: this.clash };
    for (const [name, contents] of this.contents) {
      const [file] = contents;
      const problem = this.unstorable.get(name);
      if (problem !== undefined) {
        plan.problems.push({ name, reason: problem, kind: "unstorable" });
      } else if (file === undefined || contents.length > 1) {
        plan.problems.push({ name, reason: `it stands for ${contents.length} contents`, kind: "ambiguous" });
      } else {
        plan.files.push(file);
      }
    }
    return plan;
  }

  private addName(name: FileName, file: ListedFile): void {
    this.contents.set(name, [file]);
    this.clash ??= this.tree.add(name);
    const end = name.lastIndexOf("/");
    const problem =
      this.folderProblem(name.slice(0, Math.max(0, end))) ?? this.partProblem(name.slice(end + 1));
    if (problem !== undefined) this.unstorable.set(name, problem);
  }

  private folderProblem(name: string): string | undefined {
    if (name !== this.folder.name) {
      const problem = name
        .split("/")
        .reduce<string | undefined>((found, part) => found ?? this.partProblem(part), undefined);
      this.folder = { name, problem };
    }
    return this.folder.problem;
  }

  private partProblem(part: string): string | undefined {
    // Nobody has typed it, and it may be one that a shell or an editor obeys. (Peers of ours share none.)
    if (part.startsWith(".")) return "a hidden file is fetched by its whole name only";
    return safePartProblem(part, this.platform);
  }
}

/** Paths as a file system would see them that tells neither case nor Unicode forms apart. */
class NameTree {
  /** Folded path to the path that took it first. */
  private readonly taken = new Map<string, { path: string; isFile: boolean }>();

  /** The folder of the last file that had no clash: what comes next lies there as a rule. */
  private clearFolder = "";

  add(name: string): FolderPlan["clash"] {
    const folder = name.slice(0, name.lastIndexOf("/") + 1);
    if (folder !== this.clearFolder) {
      for (let end = name.indexOf("/"); end !== -1; end = name.indexOf("/", end + 1)) {
        const clash = this.take(name.slice(0, end), false, name);
        if (clash !== undefined) return clash;
      }
      this.clearFolder = folder;
    }
    return this.take(name, true, name);
  }

  private take(path: string, isFile: boolean, name: string): FolderPlan["clash"] {
    const folded = fold(path);
    const other = this.taken.get(folded);
    if (other === undefined) {
      this.taken.set(folded, { path, isFile });
    } else if (other.path !== path) {
      const reason = "they differ only in case or in how their letters are written";
      return { first: other.path, second: path, reason };
    } else if (other.isFile !== isFile) {
      return { first: path, second: name, reason: "the one is a file, the other needs a folder there" };
    }
    return undefined;
  }
}

const ascii = /^[\u0020-\u007e]*$/;

/** To upper case in the end: it folds more than lower case does (ß to SS, the final sigma), but for ẞ. */
function fold(path: string): string {
  if (ascii.test(path)) return path.toUpperCase();
  return path.normalize("NFKD").toLowerCase().toUpperCase().normalize("NFKD");
}
