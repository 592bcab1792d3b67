/**
 * Names of files: relative to the shared folder, with `/` on every system. What may be a name is decided in
 * `wire/file-name.ts`. Pure.
 */
import path from "node:path";

export type PathRules = Pick<typeof path, "relative" | "sep">;
/** In tests also those of the others. */
export const thisSystem: PathRules = path;

/** The name of what lies at `absolute`, `""` for `folder` itself. */
export function nameBelow(
  folder: string,
  absolute: string,
  { relative, sep }: PathRules = thisSystem,
): string {
  const name = relative(folder, absolute);
  // Elsewhere a backslash is a character of a name.
  return sep === "/" ? name : name.replaceAll(sep, "/");
}

/** Whether one of the folders above `name` is in `folders` (`""` for all). */
export function isBelow(name: string, folders: ReadonlySet<string>): boolean {
  if (folders.has("")) return true;
  for (let end = name.lastIndexOf("/"); end > 0; end = name.lastIndexOf("/", end - 1)) {
    if (folders.has(name.slice(0, end))) return true;
  }
  return false;
}
