/**
 * Which files a folder or a pattern stands for, and whether they can lie beside each other on the receiving side.
 * Pure: decides before anything is written.
 */
import { type FileName, safeNameProblem } from "../wire/file-name.ts";
import type { ListedFile } from "../wire/messages.ts";

export interface FolderPlan {
  /** In the order of their names, each name once. */
  files: ListedFile[];
  /** Names that stand for several contents, or that cannot be stored here; each alone, the others go on. */
  problems: { name: FileName; reason: string; kind: "ambiguous" | "unstorable" }[];
  /** Two names that some file systems take for one, or of which one would be a folder of the other. */
  clash: { first: string; second: string; reason: string } | undefined;
}

export function planFolder(listed: readonly ListedFile[], platform: NodeJS.Platform): FolderPlan {
  const plan: FolderPlan = { files: [], problems: [], clash: undefined };
  const tree = new NameTree();
  for (const [name, contents] of groupByName(listed)) {
    const [file] = contents;
    const problem = storageProblem(name, platform);
    if (problem !== undefined) {
      plan.problems.push({ name, reason: problem, kind: "unstorable" });
    } else if (file === undefined || contents.length > 1) {
      plan.problems.push({ name, reason: `it stands for ${contents.length} contents`, kind: "ambiguous" });
    } else {
      plan.files.push(file);
    }
    plan.clash ??= tree.add(name);
  }
  return plan;
}

function groupByName(listed: readonly ListedFile[]): Map<FileName, ListedFile[]> {
  const names = new Map<FileName, ListedFile[]>();
  for (const file of listed) {
    const there = names.get(file.name);
    if (there === undefined) names.set(file.name, [file]);
    else if (!there.some(({ root, sizeBytes }) => root === file.root && sizeBytes === file.sizeBytes))
      there.push(file);
  }
  return names;
}

function storageProblem(name: FileName, platform: NodeJS.Platform): string | undefined {
  for (const part of name.split("/")) {
    // Nobody has typed it, and it may be one that a shell or an editor obeys. (Peers of ours share none.)
    if (part.startsWith(".")) return "a hidden file is fetched by its whole name only";
    const problem = safeNameProblem(part, platform);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Paths as a file system would see them that tells neither case nor Unicode forms apart. */
class NameTree {
  /** Folded path to the path that took it first. */
  private readonly taken = new Map<string, { path: string; isFile: boolean }>();

  add(name: string): FolderPlan["clash"] {
    const parts = name.split("/");
    for (let depth = 1; depth <= parts.length; depth++) {
      const path = parts.slice(0, depth).join("/");
      const isFile = depth === parts.length;
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
    }
    return undefined;
  }
}

/** Upper case first: it folds more than lower case does (ß to SS, the final sigma). */
function fold(path: string): string {
  return path.normalize("NFKD").toUpperCase().toLowerCase().normalize("NFKD");
}
