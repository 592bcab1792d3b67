/**
 * After every test of the binary (A38): no token of a private network that was used in it stands in what the processes
 * printed or in what they left behind, but where it belongs. Looks for it as it is; in other forms `e2e/secrets.test.ts`
 * looks for it.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { BinaryProcess } from "./binary-process.ts";

const tokenInFile = /"token": "([A-Za-z0-9_-]{22,128})"/g;

/** Throws when there is one. To be called when the processes have ended and `folder` is still there. */
export function sweepForSecrets(folder: string, processes: readonly BinaryProcess[]): void {
  const files = filesBelow(folder);
  const homes = new Set(files.filter(isNetwork).map((path) => dirname(dirname(path))));
  for (const { env } of processes.map(({ launch }) => launch)) if (env.P2P_HOME) homes.add(env.P2P_HOME);
  const tokens = new Set(files.filter(isNetwork).flatMap((path) => tokensIn(readFileSync(path, "utf8"))));
  for (const { launch } of processes) if (launch.env.P2P_TOKEN) tokens.add(launch.env.P2P_TOKEN.trim());
  tokens.delete("");
  if (tokens.size === 0) return;
  for (const each of processes) {
    // Whose work it is to print it.
    if (each.launch.argv.includes("token")) continue;
    for (const token of tokens)
      if (`${each.stdout}\n${each.stderr}`.includes(token))
        throw new Error(`a token was printed by: ${each.launch.argv.slice(1).join(" ")}`);
  }
  const left = [...homes].flatMap((home) => filesBelow(home)).filter((path) => !isNetwork(path));
  for (const path of left) {
    const bytes = readFileSync(path);
    for (const token of tokens) if (bytes.includes(token)) throw new Error(`a token was left in ${path}`);
  }
}

function isNetwork(path: string): boolean {
  return /[/\\]networks[/\\][^/\\]+\.json$/.test(path);
}

function tokensIn(text: string): string[] {
  return [...text.matchAll(tokenInFile)].map(([, token]) => token!);
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
