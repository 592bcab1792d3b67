import { expect, test } from "bun:test";
import { LocalIoError } from "../../src/errors.ts";
import { Output } from "../../src/output/output.ts";
import { type LowerLine, Terminal } from "../../src/output/terminal.ts";
import { FakeScreen, FakeStdout } from "../helpers/fake-screen.ts";

function make(stdout = new FakeStdout(), screen = new FakeScreen()) {
  const failures: LocalIoError[] = [];
  const terminal = new Terminal(screen, {});
  const output = new Output({ stream: stdout, terminal, onFailure: (error) => failures.push(error) });
  return { output, stdout, screen, terminal, failures };
}

const updated = { event: "updated", added: ["a"], removed: [] } as const;

test("events are lines of JSON, and nothing else is printed", async () => {
  const { output, stdout } = make();
  output.json = true;
  output.event(updated);
  output.text(["for people"]);
  output.event({ event: "progress", bytes: 1, size: 2, bytesPerSecond: 3, sources: 1 });
  await output.flush();
  expect(stdout.written).toBe(
    '{"event":"updated","added":["a"],"removed":[]}\n{"event":"progress","bytes":1,"size":2,"bytesPerSecond":3,"sources":1}\n',
  );
});

test("without --json they are words", async () => {
  const { output, stdout } = make();
  output.event(updated);
  output.text(["one", "two"]);
  output.event({ event: "progress", bytes: 1, size: 2, bytesPerSecond: 3, sources: 1 });
  await output.flush();
  expect(stdout.written).toBe("+ a\none\ntwo\n");
});

test("what is said in one turn is one write", async () => {
  const { output, stdout } = make();
  const writes: string[] = [];
  const write = stdout.write.bind(stdout);
  stdout.write = (text, done) => {
    writes.push(text);
    return write(text, done);
  };
  output.text(["one"]);
  output.text(["two"]);
  await Bun.sleep(0);
  output.text(["three"]);
  output.text(["four"]);
  await output.flush();
  expect(writes).toEqual(["one\ntwo\n", "three\nfour\n"]);
});

test("flush waits for a slow reader, who is spared progress", async () => {
  const { output, stdout } = make();
  output.json = true;
  stdout.isSlow = true;
  output.event(updated);
  stdout.writableLength = 1024 * 1024;
  output.event({ event: "progress", bytes: 1, size: 2, bytesPerSecond: 3, sources: 1 });
  let isFlushed = false;
  const flushed = output.flush().then(() => {
    isFlushed = true;
  });
  await Bun.sleep(0);
  expect(isFlushed).toBe(false);
  stdout.catchUp();
  await flushed;
  expect(stdout.events.map((event) => event.event)).toEqual(["updated"]);
});

test("a reader that has left is no failure", async () => {
  const { output, stdout, failures } = make();
  stdout.failWith = Object.assign(new Error("gone"), { code: "EPIPE" });
  output.event(updated);
  await output.flush();
  output.event(updated);
  await output.flush();
  expect([output.failure, failures.length]).toEqual([undefined, 0]);
});

test("a full disk is one, told once", async () => {
  const { output, stdout, failures } = make();
  stdout.failWith = Object.assign(new Error("full"), { code: "ENOSPC" });
  output.event(updated);
  output.event(updated);
  await output.flush();
  expect(output.failure).toBeInstanceOf(LocalIoError);
  expect(output.failure?.message).toBe(
    "cannot write to standard output: no space left on the device (ENOSPC)",
  );
  expect(failures).toHaveLength(1);
});

test("on a terminal it is printed above the lowest line", async () => {
  const order: string[] = [];
  const stdout = new FakeStdout(true);
  const { output, terminal } = make(stdout);
  const line: LowerLine = {
    erase: () => order.push(`erase ${stdout.written}`),
    draw: () => order.push(`draw ${stdout.written}`),
  };
  terminal.occupy(line);
  output.event(updated);
  await output.flush();
  expect(order).toEqual(["draw ", "erase ", "draw + a\n"]);
});
