import { describe, expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { InterruptedError } from "../src/errors.ts";
import { Shutdown, Stopper } from "../src/shutdown.ts";

describe("Shutdown", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ])("%s aborts with exit %d", (name, exit) => {
    const source = new EventEmitter();
    const shutdown = new Shutdown({ source, endAtOnce: () => expect.unreachable() });
    source.emit(name);
    expect(shutdown.signal.reason).toBeInstanceOf(InterruptedError);
    expect(shutdown.signal.reason.exit).toBe(exit);
  });

  test.each(["SIGINT", "SIGTERM", "SIGHUP"])(
    "a second signal (%s) ends at once, the first reason counts",
    (second) => {
      const source = new EventEmitter();
      const ended: number[] = [];
      const shutdown = new Shutdown({ source, endAtOnce: (exit) => ended.push(exit) });
      source.emit("SIGTERM");
      expect(ended).toEqual([]);
      source.emit(second);
      expect(ended).toHaveLength(1);
      expect(shutdown.signal.reason.exit).toBe(143);
    },
  );

  test("what went wrong before is no signal: the first one is still heeded in order", () => {
    const source = new EventEmitter();
    const ended: number[] = [];
    const shutdown = new Shutdown({ source, endAtOnce: (exit) => ended.push(exit) });
    shutdown.abort(new Error("standard output failed"));
    source.emit("SIGTERM");
    expect(ended).toEqual([]);
  });

  test("closed, it listens no more", () => {
    const source = new EventEmitter();
    const shutdown = new Shutdown({ source, endAtOnce: () => {} });
    shutdown.close();
    expect(source.eventNames()).toEqual([]);
  });
});

describe("Stopper", () => {
  test("stops in reverse order, one after the other, once", async () => {
    const order: string[] = [];
    const stopper = new Stopper(() => expect.unreachable());
    stopper.add("a", () => void order.push("a"));
    stopper.add("b", async () => {
      await Bun.sleep(1);
      order.push("b");
    });
    await Promise.all([stopper.stop(), stopper.stop()]);
    await stopper.stop();
    expect(order).toEqual(["b", "a"]);
    expect(() => stopper.add("c", () => {})).toThrow("c was started while");
  });

  test("goes on after what fails or hangs, and says so", async () => {
    const said: string[] = [];
    let isStopped = false;
    const stopper = new Stopper((problem) => said.push(problem), 20);
    stopper.add("first", () => {
      isStopped = true;
    });
    stopper.add("thrower", () => {
      throw new Error("no");
    });
    stopper.add("rejecter", () => Promise.reject(new Error("never")));
    stopper.add("hanger", () => new Promise(() => {}));
    await stopper.stop();
    expect(isStopped).toBe(true);
    expect(said).toEqual([
      "hanger did not stop within 0.02 s",
      "cannot stop rejecter: never",
      "cannot stop thrower: no",
    ]);
  });
});
