/**
 * Where a Worker's entry point is. Every file named here must be an extra entry point of the build (`--root src`):
 * in the compiled binary such files lie under their path relative to `src/`, while a URL relative to the module
 * that asks leads nowhere there.
 */

/** `path` is relative to `src/`, e.g. `library/hash-worker.ts`. */
export function workerUrl(path: string): string {
  return Bun.isStandaloneExecutable ? `./${path}` : new URL(path, import.meta.url).href;
}
