import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { LocalIoError } from "../src/errors.ts";
import { ProcessLock } from "../src/process-lock.ts";
import { temporaryFolder } from "./library/temporary-folder.ts";

const module = join(import.meta.dir, "../src/process-lock.ts");

/** Another process that holds the lock until it is killed, or for so long. */
async function holder(path: string, heldMs = 2 ** 31 - 1) {
  const code = `
    const { ProcessLock } = await import(${JSON.stringify(module)});
    const lock = ProcessLock.acquire(${JSON.stringify(path)}, "test");
    process.stdout.write("held\\n");
    setTimeout(() => lock.release(), ${heldMs});`;
  const child = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  expect(Buffer.from(value ?? []).toString()).toBe("held\n");
  return {
    pid: child.pid,
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
    async [Symbol.asyncDispose]() {
      await this.kill();
    },
  };
}

function attempt(path: string): unknown {
  try {
    ProcessLock.acquire(path, "the test").release();
    return "free";
  } catch (error) {
    return error;
  }
}

describe("a process lock", () => {
  test("is held once, and free after its release", () => {
    using folder = temporaryFolder();
    const path = folder.at("x.lock");
    const lock = ProcessLock.acquire(path, "the test");
    const error = attempt(path);
    expect(error).toBeInstanceOf(LocalIoError);
    expect(String(error)).toContain(`pid ${process.pid}`);
    expect(String(error)).toContain("the test");
    lock.release();
    lock.release();
    expect(attempt(path)).toBe("free");
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("held by a living process names it; killed, it holds nothing any more", async () => {
    using folder = temporaryFolder();
    const path = folder.at("x.lock");
    await using other = await holder(path);
    expect(String(attempt(path))).toContain(`pid ${other.pid}`);
    await other.kill();
    expect(existsSync(path)).toBe(true);
    expect(attempt(path)).toBe("free");
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("held by a living process is waited for as long as that was said", async () => {
    using folder = temporaryFolder();
    const path = folder.at("x.lock");
    await using other = await holder(path, 300);
    const startMs = performance.now();
    expect(() => ProcessLock.acquire(path, "the test", { patienceMs: 50 })).toThrow(`pid ${other.pid}`);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(50);
    ProcessLock.acquire(path, "the test", { patienceMs: 10_000 }).release();
    expect(performance.now() - startMs).toBeLessThan(9_000);
  });

  test.skipIf(!existsSync("/proc/self/stat"))("of a dead process whose number lives again is free", () => {
    using folder = temporaryFolder();
    const path = folder.at("x.lock");
    writeFileSync(path, JSON.stringify({ pid: process.pid, started: "1", host: hostname() }));
    expect(attempt(path)).toBe("free");
  });

  test("of another machine is believed: we cannot know", () => {
    using folder = temporaryFolder();
    const path = folder.at("x.lock");
    writeFileSync(path, JSON.stringify({ pid: 4711, started: "1", host: `not-${hostname()}` }));
    expect(String(attempt(path))).toContain("pid 4711");
  });

  test.each(["", "nonsense", "null", "[]", '{"pid":-1}', '{"pid":0}', '{"pid":"1"}', '{"pid":1e99}'])(
    "that says %j is nobody's",
    (text) => {
      using folder = temporaryFolder();
      writeFileSync(folder.at("x.lock"), text);
      expect(attempt(folder.at("x.lock"))).toBe("free");
    },
  );

  test("that somebody else has taken over is not removed by a release", () => {
    using folder = temporaryFolder();
    const path = folder.at("x.lock");
    const lock = ProcessLock.acquire(path, "the test");
    writeFileSync(path, "somebody else's");
    lock.release();
    expect(readFileSync(path, "utf8")).toBe("somebody else's");
  });

  test("in a folder that is not there is a clear error", () => {
    using folder = temporaryFolder();
    const error = attempt(folder.at("nowhere/x.lock"));
    expect(error).toBeInstanceOf(LocalIoError);
    expect(String(error)).toContain("no such file or folder (ENOENT)");
  });

  test("of another machine names it and the file to remove", () => {
    using folder = temporaryFolder();
    const path = folder.write("x.lock", JSON.stringify({ pid: 7, host: "old-container" }));
    const error = String(attempt(path));
    expect(error).toContain("pid 7 on old-container");
    expect(error).toContain(`remove ${path}`);
  });

  test.each(["pipe", "folder"])("a %s in its place is refused, not waited for", (kind) => {
    using folder = temporaryFolder();
    const path = folder.at("x.lock");
    Bun.spawnSync([kind === "pipe" ? "mkfifo" : "mkdir", path]);
    const error = attempt(path);
    expect(error).toBeInstanceOf(LocalIoError);
    expect(String(error)).toContain("no regular file");
    expect(readdirSync(folder.path)).toEqual(["x.lock"]);
  });
});
