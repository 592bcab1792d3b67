/** A folder that is gone after the test: `using folder = temporaryFolder()`. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface TemporaryFolder extends Disposable {
  readonly path: string;
  at(name: string): string;
  /** Writes a file, with the folders above it; `agoMs` sets its time back. */
  write(name: string, content: string | Uint8Array, agoMs?: number): string;
}

export function temporaryFolder(): TemporaryFolder {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "p2p-library-")));
  const at = (name: string) => join(path, name);
  return {
    path,
    at,
    write(name, content, agoMs = 0) {
      mkdirSync(dirname(at(name)), { recursive: true });
      writeFileSync(at(name), content);
      const time = new Date(Date.now() - agoMs);
      if (agoMs > 0) utimesSync(at(name), time, time);
      return at(name);
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Waits until `condition` holds; fails with `what` after `limitMs`. */
export async function until(condition: () => boolean, what: () => string, limitMs = 10_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not reached within ${limitMs} ms: ${what()}`);
    await Bun.sleep(5);
  }
}
