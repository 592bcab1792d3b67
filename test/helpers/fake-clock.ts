/** A wrong clock on the wall for one process, by Debian's libfaketime. What counts up from a start is left as it is. */
import { writeFileSync } from "node:fs";

export function findLibfaketime(): string | undefined {
  return [...new Bun.Glob("/usr/lib/**/faketime/libfaketimeMT.so.1").scanSync("/")][0];
}

/** `path`: a file to be made; its process is started with `environment`. */
export class FakeClock {
  constructor(
    private readonly path: string,
    offset: string,
  ) {
    this.set(offset);
  }

  /** Such as `-400d` or `+1y`: so far from the right time, from now on. */
  set(offset: string): void {
    writeFileSync(this.path, offset);
  }

  get environment(): Record<string, string> {
    const library = findLibfaketime();
    if (library === undefined) throw new Error("libfaketime is missing");
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.path,
      FAKETIME_NO_CACHE: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
  }
}
