/** Bytes to lines and bodies: however a stream is cut, the same comes out. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FrameReader } from "../../src/wire/framing.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";

/** Reads lines; `body N` is followed by N raw bytes. What it saw, bodies joined. */
class Reading {
  readonly seen: string[] = [];
  readonly reader: FrameReader;
  private body = "";
  private bodyLeft = 0;
  /** Small, so that a piece does not fit. */
  private readonly room = new Uint8Array(3);

  constructor(
    maxLineBytes = 100,
    private readonly onLine: (line: string) => void = () => {},
    /** Lines with `a` at their beginning are taken by themselves, as many as lie one behind the other. */
    takesLines = false,
  ) {
    this.reader = new FrameReader(
      {
        onLine: (line) => {
          const text = Buffer.from(line).toString("latin1");
          this.seen.push(`line ${text}`);
          this.onLine(text);
          this.bodyLeft = Number(/^body (\d+)$/.exec(text)?.[1] ?? 0);
          this.body = "";
          if (this.bodyLeft === 0 && text.startsWith("body")) this.seen.push("body ");
          return this.bodyLeft;
        },
        ...(takesLines && { takeLines: (bytes, from) => this.takeLines(bytes, from) }),
        bodyRoom: () => this.room,
        onBody: (length) => {
          expect(length).toBeGreaterThan(0);
          this.body += Buffer.from(this.room.subarray(0, length)).toString("latin1");
          this.bodyLeft -= length;
          if (this.bodyLeft === 0) this.seen.push(`body ${this.body}`);
        },
      },
      maxLineBytes,
    );
  }

  private takeLines(bytes: Uint8Array, from: number): number {
    let at = from;
    for (;;) {
      const end = bytes.indexOf(0x0a, at);
      const line = Buffer.from(bytes.subarray(at, Math.max(end, 0))).toString("latin1");
      if (this.reader.isPaused || end === -1 || !line.startsWith("a") || line.endsWith("\r")) return at;
      this.seen.push(`line ${line}`);
      this.onLine(line);
      at = end + 1;
    }
  }

  push(...pieces: (string | Uint8Array)[]): this {
    for (const piece of pieces) this.reader.push(Buffer.from(piece as string));
    return this;
  }
}

function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof ProtocolError ? error.code : String(error);
  }
  return "none";
}

describe("lines", () => {
  test("end with a newline; a carriage return before it goes", () => {
    expect(new Reading().push("a\nb\r\n\n\rc\rd\ne").seen).toEqual([
      "line a",
      "line b",
      "line ",
      "line \rc\rd",
    ]);
  });

  test("are followed by a body when the sink says so, which may look like lines", () => {
    expect(new Reading().push("body 4\n\na\n\nb\nbody 0\nc\n").seen).toEqual([
      "line body 4",
      "body \na\n\n",
      "line b",
      "line body 0",
      "body ",
      "line c",
    ]);
  });

  test("of exactly the limit are legal, one byte more is refused at once, newline or not", () => {
    expect(new Reading(5).push("12345\n").seen).toEqual(["line 12345"]);
    expect(failure(() => new Reading(5).push("123456"))).toBe("LINE_TOO_LONG");
    expect(failure(() => new Reading(5).push("123456\n"))).toBe("LINE_TOO_LONG");
    expect(failure(() => new Reading(5).push("123", "456"))).toBe("LINE_TOO_LONG");
    expect(failure(() => new Reading(5).push("123", "45", "6"))).toBe("LINE_TOO_LONG");
  });

  test("may become longer after a handshake", () => {
    const reading = new Reading(5);
    reading.push("123");
    reading.reader.maxLineBytes = 10;
    expect(reading.push("4567890\n").seen).toEqual(["line 1234567890"]);
  });

  test("that drip in byte by byte cost no more than linear time", () => {
    const reading = new Reading(1024 * 1024);
    const one = new Uint8Array([97]);
    for (let i = 0; i < 1024 * 1024; i++) reading.reader.push(one);
    reading.push("\n");
    expect(reading.seen[0]?.length).toBe(5 + 1024 * 1024);
  });
});

test("any split of a stream gives what the whole gives", () => {
  const frame = fc.oneof(
    fc.string({ unit: fc.constantFrom(..."abc{}\r "), maxLength: 20 }).map((line) => `${line}\n`),
    fc
      .string({ unit: fc.constantFrom(..."ab\n\r\0"), maxLength: 30 })
      .map((body) => `body ${body.length}\n${body}`),
  );
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 10 }),
      fc.array(fc.nat(300), { maxLength: 12 }),
      (frames, cuts) => {
        const stream = frames.join("");
        const whole = new Reading().push(stream).seen;
        const ends = [...new Set(cuts.map((cut) => Math.min(cut, stream.length)))].sort((a, b) => a - b);
        const pieces = [0, ...ends].map((from, i) => stream.slice(from, ends[i] ?? stream.length));
        expect(new Reading().push(...pieces).seen).toEqual(whole);
        expect(new Reading().push(...stream.split("")).seen).toEqual(whole);
        const taking = new Reading(100, () => {}, true);
        expect(taking.push(...pieces).seen).toEqual(whole);
      },
    ),
  );
});

describe("pausing", () => {
  test("holds back what has arrived and what arrives, and gives it in order", () => {
    const reading: Reading = new Reading(100, (line) => {
      if (line === "stop") reading.reader.pause();
    });
    reading.push("a\nstop\nb\nbody 2\nx", "y", "c\n");
    expect(reading.seen).toEqual(["line a", "line stop"]);
    expect(reading.reader.isPaused).toBe(true);
    reading.reader.resume();
    expect(reading.seen.slice(2)).toEqual(["line b", "line body 2", "body xy", "line c"]);
  });

  test("can happen again while what was held back is given out", () => {
    const reading: Reading = new Reading(100, () => reading.reader.pause());
    reading.push("a\nb\nc\n");
    for (const count of [1, 2, 3]) {
      expect(reading.seen).toHaveLength(count);
      reading.reader.resume();
    }
    expect(reading.seen).toEqual(["line a", "line b", "line c"]);
  });

  test("changes nothing of what comes, wherever it happens and however much is handed on at a time", () => {
    const stream = "a\na1\na2\nbody 7\nb\n\nc\r\nd\nbody 0\n\r\na3\nbody 2\nxy\nlast\n";
    const whole = new Reading().push(stream).seen;
    fc.assert(
      fc.property(
        fc.array(fc.nat(8), { minLength: 1 }),
        fc.array(fc.boolean(), { minLength: 1 }),
        fc.array(fc.option(fc.nat(9)), { minLength: 1 }),
        fc.boolean(),
        (pieces, pauses, amounts, takesLines) => {
          let lines = 0;
          const pauseNow = () => {
            if (pauses[lines++ % pauses.length]) reading.reader.pause();
          };
          const reading: Reading = new Reading(100, pauseNow, takesLines);
          for (let at = 0, i = 0; at < stream.length; i++) {
            const end = at + (pieces[i % pieces.length] ?? 0) + 1;
            reading.push(stream.slice(at, end));
            at = end;
            const amount = amounts[i % amounts.length];
            if (amount !== null && amount !== undefined && reading.reader.isPaused)
              reading.reader.handOn(amount);
            else if (i % 2 === 0) reading.reader.resume();
          }
          while (reading.reader.isPaused) reading.reader.resume();
          expect(reading.seen).toEqual(whole);
        },
      ),
    );
  });

  test("after stop nothing comes any more", () => {
    const reading: Reading = new Reading(100, () => reading.reader.stop());
    expect(reading.push("a\nb\n", "c\n").seen).toEqual(["line a"]);
  });
});
