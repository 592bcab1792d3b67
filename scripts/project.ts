/**
 * Where the things of this project are, and whether the binary is as new as what it is made from. Imports nothing
 * but the platform: the scripts run before anything is installed.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export const projectFolder = join(import.meta.dir, "..");
export const distFolder = join(projectFolder, "dist");
export const binaryPath = join(distFolder, process.platform === "win32" ? "p2p.exe" : "p2p");

/** Files and folders that the binary is made from. */
const inputs = ["src", "migrations", "package.json", "bun.lock", "tsconfig.json", "scripts/build.ts"];

/** The version in package.json: the only place where it is written. */
export function projectVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(projectFolder, "package.json"), "utf8"));
  if (typeof manifest === "object" && manifest !== null && "version" in manifest) {
    if (typeof manifest.version === "string") return manifest.version;
  }
  throw new Error("package.json has no version");
}

/** Why dist/p2p cannot stand for the sources as they are, or undefined when it can. */
export function staleReason(): string | undefined {
  if (!existsSync(binaryPath)) return "dist/p2p is missing";
  const builtMs = statSync(binaryPath).mtimeMs;
  for (const path of inputFiles()) {
    if (statSync(join(projectFolder, path)).mtimeMs > builtMs) return `${path} is newer than dist/p2p`;
  }
  return undefined;
}

function* inputFiles(): Generator<string> {
  for (const input of inputs) {
    const path = join(projectFolder, input);
    if (!existsSync(path)) continue;
    if (!statSync(path).isDirectory()) yield input;
    else for (const inside of readdirSync(path, { recursive: true })) yield join(input, String(inside));
  }
}
