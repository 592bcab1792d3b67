/** The inputs that are kept: one file each in `corpus/TARGET/`, for seeds and for every failure there has been. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Target } from "./target.ts";

export const corpusFolder = join(import.meta.dir, "corpus");

/** Those of the target's own and of its folder, each once, in the same order everywhere. */
export function corpusOf({ name, seeds }: Target): Uint8Array[] {
  const folder = join(corpusFolder, name);
  const files = existsSync(folder) ? readdirSync(folder).sort() : [];
  const all = [
    ...seeds().map((seed) => new Uint8Array(Buffer.from(seed as string))),
    ...files.map((file) => new Uint8Array(readFileSync(join(folder, file)))),
  ];
  return [...new Map(all.map((input) => [Buffer.from(input).toString("latin1"), input])).values()];
}

/** Under the hash of what it is. Returns its path. */
export function keep(target: string, input: Uint8Array): string {
  const folder = join(corpusFolder, target);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, new Bun.CryptoHasher("sha256").update(input).digest("hex").slice(0, 16));
  writeFileSync(path, input);
  return path;
}
