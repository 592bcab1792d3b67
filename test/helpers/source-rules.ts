/**
 * The rules that architecture.test.ts holds the sources to, as pure functions of paths and text. Which files a rule
 * is for, and who is exempt, is data over there.
 */

export interface SourceFile {
  /** Relative to the project, `/`-separated. */
  path: string;
  text: string;
}

export interface Import {
  specifier: string;
  /** Nothing of it is left when the program runs. */
  typeOnly: boolean;
}

/** `text` with comments blanked, and with the contents of strings blanked as well when `strings` is "blank". */
export function blankComments(text: string, strings: "keep" | "blank" = "keep"): string {
  const token =
    /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?<regex>(?<=[(,=:[!&|?{};]\s*|\breturn\s+)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*)/g;
  return text.replace(token, (whole, ...rest) => {
    const groups = rest.at(-1) as { comment?: string; string?: string };
    const blank = groups.comment !== undefined || strings === "blank";
    return blank ? whole.replace(/[^\n]/g, " ") : whole;
  });
}

/** Static and dynamic imports and re-exports. */
export function importsOf(text: string): Import[] {
  const code = blankComments(text);
  const found: Import[] = [];
  const statement = /\b(?:import|export)\s+(type\s+)?([^"';]*?)\bfrom\s*["']([^"']+)["']/g;
  for (const [, type, names = "", specifier = ""] of code.matchAll(statement)) {
    const listed = /^\s*\{([\s\S]*)\}\s*$/.exec(names)?.[1];
    const allTypes = listed?.split(",").every((name) => /^\s*(type\s|$)/.test(name)) ?? false;
    found.push({ specifier, typeOnly: type !== undefined || allTypes });
  }
  for (const [, specifier = ""] of code.matchAll(/\bimport\s*\(?\s*["']([^"']+)["']/g)) {
    found.push({ specifier, typeOnly: false });
  }
  return found;
}

/** Path of the file that `specifier` in `path` means, or undefined when it is a package or built in. */
export function resolveImport(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const parts = path.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

export function matches(path: string, globs: readonly string[]): boolean {
  return globs.some((glob) => new Bun.Glob(glob).match(path));
}

export interface Layer {
  name: string;
  files: readonly string[];
}

/** Imports go down the list of layers only; within a layer they go anywhere. Types count like values. */
export function layerProblems(file: SourceFile, layers: readonly Layer[]): string[] {
  const levelOf = (path: string) => layers.findIndex((layer) => matches(path, layer.files));
  const own = levelOf(file.path);
  if (own === -1) return [`${file.path} belongs to no layer`];
  const problems: string[] = [];
  for (const { specifier } of importsOf(file.text)) {
    const target = resolveImport(file.path, specifier);
    if (target === undefined || !target.startsWith("src/")) continue;
    const level = levelOf(target);
    if (level !== -1 && level < own) problems.push(`${file.path} imports ${target}, which is above it`);
  }
  return problems;
}

/** Nobody but `by` imports what matches `rooms`; `rooms` may import each other. */
export function privacyProblems(file: SourceFile, rooms: readonly string[], by: readonly string[]): string[] {
  if (matches(file.path, rooms) || matches(file.path, by)) return [];
  return importsOf(file.text)
    .map(({ specifier }) => resolveImport(file.path, specifier) ?? specifier)
    .filter((target) => matches(target, rooms))
    .map((target) => `${file.path} imports ${target}, which only ${by.join(", ")} may`);
}

/** Input and output, the clock, and dice, as they look in code. */
const impure: readonly [RegExp, string][] = [
  [/\bDate\.now\b|\bnew Date\b|\bperformance\b|\bmonotonicMs\b/, "reads a clock"],
  [/\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b|\bBun\.sleep/, "starts a timer"],
  [/\bMath\.random\b|\brandomBytes\b|\brandomUUID\b|\bgetRandomValues\b/, "rolls dice"],
  [
    /\bBun\.(?:listen|connect|udpSocket|serve|file|write|spawn|mmap|stdin|stdout|stderr)\b|\bfetch\s*\(/,
    "does I/O",
  ],
  [/\bnew Worker\b|\bpostMessage\b/, "talks to a thread"],
  [/\bprocess\b/, "looks at the process"],
  [/\bawait\b|\basync\b/, "waits"],
];

/** The files that match `globs`, and all that these import, however indirectly, for more than a type. */
export function withImports(files: readonly SourceFile[], globs: readonly string[]): SourceFile[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const found = new Set(files.filter(({ path }) => matches(path, globs)));
  for (const { path, text } of found) {
    for (const { specifier, typeOnly } of importsOf(text)) {
      const target = typeOnly ? undefined : byPath.get(resolveImport(path, specifier) ?? "");
      if (target !== undefined) found.add(target);
    }
  }
  return [...found];
}

/** A pure file decides from what it is told: no I/O, no clock, no dice, and no package or built-in module. */
export function purityProblems(file: SourceFile): string[] {
  const code = blankComments(file.text, "blank");
  const problems = impure.filter(([pattern]) => pattern.test(code)).map(([, what]) => `${file.path} ${what}`);
  for (const { specifier, typeOnly } of importsOf(file.text)) {
    const isOwn = resolveImport(file.path, specifier) !== undefined;
    if (!typeOnly && !isOwn) problems.push(`${file.path} imports ${specifier}`);
  }
  return problems;
}

export interface ForbiddenCode {
  what: string;
  pattern: RegExp;
  /** Files that may. */
  except?: readonly string[];
}

export function forbiddenProblems(file: SourceFile, rules: readonly ForbiddenCode[]): string[] {
  const lines = blankComments(file.text, "blank").split("\n");
  return rules
    .filter((rule) => !matches(file.path, rule.except ?? []))
    .flatMap((rule) => {
      const at = lines.findIndex((line) => rule.pattern.test(line));
      return at === -1 ? [] : [`${file.path}:${at + 1} ${rule.what}`];
    });
}

/** Explicit endings, `node:` for what is built in: a reader sees at once what is meant. */
export function specifierProblems(file: SourceFile, packages: readonly string[]): string[] {
  return importsOf(file.text).flatMap(({ specifier }) => {
    if (/^(\.{1,2}\/.*\.(ts|sql|json)|(node|bun):.+|bun)$/.test(specifier)) return [];
    if (packages.some((name) => specifier === name || specifier.startsWith(`${name}/`))) return [];
    return [`${file.path} imports "${specifier}": no .ts at the end, no node: before it, or no dependency`];
  });
}

export function placeProblems(path: string): string[] {
  const problems: string[] = [];
  if (/(^|\/)index\.ts$/.test(path)) problems.push(`${path} is a barrel: import the thing from its own file`);
  if (/(^|\/)(utils?|helpers?|common|misc|lib)(\/|\.ts$)/.test(path))
    problems.push(`${path} is named for nothing`);
  return problems;
}

export function lengthProblems(file: SourceFile, maxLines: number): string[] {
  const lines = file.text.split("\n").length - (file.text.endsWith("\n") ? 1 : 0);
  return lines > maxLines ? [`${file.path} has ${lines} lines: two jobs, or a decision in a driver?`] : [];
}

/** Every Worker the code starts is a file that the build takes as an entry point, and the other way round. */
export function workerProblems(files: readonly SourceFile[]): string[] {
  const started = new Map<string, string>();
  for (const { path, text } of files) {
    const code = blankComments(text);
    const named = /\bworkerUrl\(\s*"([^"]+)"|"([\w/-]+-worker\.ts)"/g;
    for (const [, given, elsewhere] of code.matchAll(named)) started.set(`src/${given ?? elsewhere}`, path);
    if (/\bnew URL\(/.test(code) && /\bnew Worker\b/.test(code)) {
      started.set("a URL of its own", path);
    }
  }
  const paths = new Set(files.map((file) => file.path));
  const problems: string[] = [];
  for (const [worker, by] of started) {
    if (!paths.has(worker)) problems.push(`${by} starts ${worker}, which is no source file`);
    else if (!worker.endsWith("-worker.ts"))
      problems.push(`${worker} is a Worker: its name must end in -worker.ts`);
  }
  for (const path of paths) {
    if (path.endsWith("-worker.ts") && !started.has(path)) problems.push(`nobody starts ${path}`);
  }
  return problems;
}

/** `dependencies` and `devDependencies` of package.json: exact versions, each with its reason in CONTRIBUTING.md. */
export function dependencyProblems(dependencies: Record<string, string>, contributing: string): string[] {
  return Object.entries(dependencies).flatMap(([name, version]) => {
    const problems: string[] = [];
    if (!/^\d+\.\d+\.\d+$/.test(version)) problems.push(`${name} ${version} is no exact version`);
    if (!contributing.includes(`\`${name}\``))
      problems.push(`CONTRIBUTING.md does not say what ${name} is for`);
    return problems;
  });
}
