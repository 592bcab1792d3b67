/**
 * `bun run build` makes dist/p2p for this machine; `bun run build:all` makes one binary for each system that is
 * released, with a SHA256SUMS. Which code is in the binary is decided here, what it does is not.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binaryPath, distFolder, projectFolder, projectVersion } from "./project.ts";

/** Name in dist/ and what Bun calls the system. Bun fetches the runtime of another system from the npm registry. */
const releases: readonly { name: string; target: Bun.Build.CompileTarget }[] = [
  { name: "p2p-linux-x64", target: "bun-linux-x64" },
  { name: "p2p-linux-arm64", target: "bun-linux-arm64" },
  { name: "p2p-linux-x64-musl", target: "bun-linux-x64-musl" },
  { name: "p2p-linux-arm64-musl", target: "bun-linux-arm64-musl" },
  { name: "p2p-macos-x64", target: "bun-darwin-x64" },
  { name: "p2p-macos-arm64", target: "bun-darwin-arm64" },
  { name: "p2p-windows-x64.exe", target: "bun-windows-x64" },
];

/** A Worker whose file is no entry point of the build is a ModuleNotFound when the binary first starts it. */
function entryPoints(): string[] {
  const workers = [...new Bun.Glob("src/**/*-worker.ts").scanSync(projectFolder)].sort();
  return ["src/main.ts", ...workers].map((path) => join(projectFolder, path));
}

/**
 * Builds in a folder of its own and renames the result into place, so that who starts dist/p2p meanwhile gets the
 * old binary or the new one, and two builds at once do not disturb each other.
 */
async function build(outputPath: string, target?: Bun.Build.CompileTarget): Promise<void> {
  const workFolder = join(distFolder, `.building-${process.pid}`);
  mkdirSync(workFolder, { recursive: true });
  try {
    const outfile = join(workFolder, target?.includes("windows") ? "p2p.exe" : "p2p");
    await Bun.build({
      entrypoints: entryPoints(),
      root: join(projectFolder, "src"),
      format: "esm",
      target: "bun",
      // Error classes are told apart by their names in logs and stack traces, so names stay.
      minify: { whitespace: true, syntax: true, identifiers: true, keepNames: true },
      sourcemap: "inline",
      // Each verb and each worker loads what it needs, not all there is: a third less time to start.
      splitting: true,
      // Spares parsing the program at every start. It needs the esm format for top-level await.
      bytecode: true,
      define: { "process.env.NODE_ENV": JSON.stringify("production") },
      compile: {
        outfile,
        ...(target === undefined ? {} : { target }),
        // The binary is started in folders that files of strangers are downloaded to. By default it would run the
        // `preload` of a bunfig.toml and take the variables of a .env it finds there.
        autoloadDotenv: false,
        autoloadBunfig: false,
        autoloadTsconfig: false,
        autoloadPackageJson: false,
        windows: { title: "p2p", version: `${projectVersion()}.0`, publisher: "the p2p authors" },
      },
    });
    renameSync(outfile, outputPath);
  } finally {
    rmSync(workFolder, { recursive: true, force: true });
  }
}

async function buildAll(): Promise<void> {
  const sums: string[] = [];
  for (const { name, target } of releases) {
    const path = join(distFolder, name);
    await build(path, target);
    const bytes = readFileSync(path);
    sums.push(`${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}  ${name}\n`);
    console.log(`dist/${name}  ${(bytes.length / 1e6).toFixed(1)} MB`);
  }
  writeFileSync(join(distFolder, "SHA256SUMS"), sums.join(""));
  console.log("dist/SHA256SUMS");
}

try {
  if (process.argv.includes("--all")) {
    await buildAll();
  } else {
    await build(binaryPath);
    console.log(`dist/p2p ${projectVersion()}`);
  }
} catch (error) {
  const causes = error instanceof AggregateError ? error.errors : [error];
  for (const cause of causes) console.error(Bun.inspect(cause, { colors: false }));
  console.error("error: the build failed");
  process.exitCode = 1;
}
