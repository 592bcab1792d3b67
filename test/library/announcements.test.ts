/** What is announced, when, and that in the end the index's copy is ours, whatever happened in between. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Announcement, Announcements, type Change } from "../../src/library/announcements.ts";
import { encodeIndexRequest } from "../../src/wire/encode.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import { LibraryDigest } from "../../src/wire/library-digest.ts";
import { maxFilesPerMessage, maxIndexLineBytes } from "../../src/wire/limits.ts";
import type { FileEntry } from "../../src/wire/messages.ts";
import { fileEntry } from "../helpers/file-entries.ts";

function names(message: Announcement | undefined): string {
  if (message === undefined) return "nothing";
  if (message.type === "RESUME") return `RESUME ${message.library.files}`;
  return `${message.type} +${message.add.map(({ name }) => name).join()} -${message.remove.join()}`;
}

/** The next message, which is about files. */
function change(announcements: Announcements): Change | undefined {
  const message = announcements.nextMessage();
  expect(message?.type).not.toBe("RESUME");
  return message as Change | undefined;
}

function digestOf(entries: Iterable<FileEntry>): string {
  const digest = new LibraryDigest();
  for (const entry of entries) digest.add(entry);
  return digest.hex;
}

const files = (...all: string[]) => all.map((name) => fileEntry(name));
const gone = (...all: string[]) => all as FileName[];

describe("announcements", () => {
  test("say nothing without a connection, and an empty REGISTER when there is nothing to share", () => {
    const announcements = new Announcements();
    expect(names(announcements.nextMessage())).toBe("nothing");
    announcements.connected();
    expect(announcements.settled).toBe(false);
    expect(names(announcements.nextMessage())).toBe("REGISTER + -");
    expect(names(announcements.nextMessage())).toBe("nothing");
    announcements.acknowledged();
    expect(announcements.settled).toBe(true);
  });

  test("collect what changes while a message is under way", () => {
    const announcements = new Announcements();
    announcements.shared.changed(files("a", "b"), []);
    announcements.connected();
    expect(names(announcements.nextMessage())).toBe("REGISTER +a,b -");
    announcements.shared.changed(files("c"), gone("a"));
    announcements.shared.changed(files("d"), gone("c", "never was"));
    announcements.shared.changed([fileEntry("b", "new")], []);
    announcements.acknowledged();
    expect(announcements.settled).toBe(false);
    const update = change(announcements);
    expect(update?.add).toEqual([...files("d"), fileEntry("b", "new")]);
    expect(update?.remove).toEqual(gone("a"));
    announcements.acknowledged();
    expect(announcements.settled).toBe(true);
    expect(names(announcements.nextMessage())).toBe("nothing");
  });

  test("do not repeat what the index has", () => {
    const announcements = new Announcements();
    announcements.shared.changed(files("a"), []);
    announcements.connected();
    announcements.nextMessage();
    announcements.acknowledged();
    announcements.shared.changed(files("a"), []);
    expect(names(announcements.nextMessage())).toBe("nothing");
    expect(announcements.settled).toBe(true);
  });

  test("begin anew after a loss", () => {
    const announcements = new Announcements();
    announcements.shared.changed(files("a", "b"), []);
    announcements.connected();
    announcements.nextMessage();
    announcements.acknowledged();
    announcements.shared.changed([], gone("a"));
    announcements.nextMessage();
    announcements.lost();
    expect(names(announcements.nextMessage())).toBe("nothing");
    announcements.connected();
    expect(names(announcements.nextMessage())).toBe("REGISTER +b -");
  });

  test("after a refusal say everything again that may not be known", () => {
    const announcements = new Announcements();
    announcements.shared.changed(files("a", "b"), []);
    announcements.connected();
    announcements.nextMessage();
    announcements.acknowledged();
    announcements.shared.changed([fileEntry("a", "new"), ...files("c")], gone("b"));
    announcements.nextMessage();
    announcements.refused();
    // Back to what was acknowledged; but the index may have taken a part of what it refused.
    announcements.shared.changed(files("a", "b"), gone("c"));
    expect(names(announcements.nextMessage())).toBe("UPDATE +a,b -c");
    announcements.acknowledged();
    expect(announcements.settled).toBe(true);
  });

  test("keep to the limits of a message", () => {
    const announcements = new Announcements();
    const long = (i: number) => `${"x".repeat(250)}/${"é".repeat(120)}/${'"'.repeat(200)}/${i}`;
    const many = Array.from({ length: 5_000 }, (_, i) => fileEntry(i % 2 ? `f${i}` : long(i), i));
    announcements.shared.changed(many, []);
    announcements.connected();
    const sent = new Set<string>();
    let messages = 0;
    for (let next = change(announcements); next !== undefined; next = change(announcements)) {
      messages++;
      expect(next.type).toBe(messages === 1 ? "REGISTER" : "UPDATE");
      expect(next.add.length).toBeLessThanOrEqual(maxFilesPerMessage);
      const line = encodeIndexRequest({
        type: "UPDATE",
        id: Number.MAX_SAFE_INTEGER,
        add: next.add,
        remove: next.remove,
      });
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(maxIndexLineBytes);
      for (const { name } of next.add) sent.add(name);
      announcements.acknowledged();
    }
    expect(sent.size).toBe(5_000);
    expect(messages).toBeLessThan(10);
    announcements.shared.changed(
      [],
      many.map(({ name }) => name),
    );
    for (let next = change(announcements); next !== undefined; next = change(announcements)) {
      expect(next.remove.length).toBeLessThanOrEqual(maxFilesPerMessage);
      announcements.acknowledged();
    }
    expect(announcements.settled).toBe(true);
  });
});

describe("a library that is complete", () => {
  const begun = () => {
    const announcements = new Announcements();
    announcements.shared.changed(files("a", "b"), []);
    announcements.complete();
    announcements.connected();
    expect(announcements.nextMessage()).toEqual({
      type: "RESUME",
      library: { digest: digestOf(files("a", "b")), files: 2 },
    });
    expect(announcements.settled).toBe(false);
    return announcements;
  };

  test("is registered by its digest where the index holds it, and nothing else is said", () => {
    const announcements = begun();
    expect(names(announcements.nextMessage())).toBe("nothing");
    announcements.resumed(true);
    expect(announcements.settled).toBe(true);
    expect(announcements.acceptedCount).toBe(2);
    expect(names(announcements.nextMessage())).toBe("nothing");
    announcements.shared.changed(files("c"), gone("a"));
    expect(names(announcements.nextMessage())).toBe("UPDATE +c -a");
    expect(announcements.acknowledged()).toEqual({ added: gone("c"), removed: gone("a") });
    expect(announcements.settled).toBe(true);
  });

  test("is told in full where the index holds another, or none", () => {
    const announcements = begun();
    announcements.resumed(false);
    expect(announcements.settled).toBe(false);
    expect(announcements.acceptedCount).toBe(0);
    expect(names(announcements.nextMessage())).toBe("UPDATE +a,b -");
    announcements.acknowledged();
    expect(announcements.settled).toBe(true);
  });

  test.each([true, false])("what changes meanwhile is said afterwards (held: %p)", (held) => {
    const announcements = begun();
    announcements.shared.changed([fileEntry("b", "new"), ...files("c", "d")], gone("a", "d"));
    announcements.shared.changed([], gone("d"));
    announcements.resumed(held);
    expect(announcements.settled).toBe(false);
    const update = change(announcements);
    expect(update?.add.map(({ name }) => name as string).toSorted()).toEqual(["b", "c"]);
    expect(update?.remove).toEqual(held ? gone("a") : []);
    announcements.acknowledged();
    expect(announcements.settled).toBe(true);
  });

  test("asks again when it is refused, whatever for, and after it was forgotten", () => {
    const announcements = begun();
    announcements.shared.changed(files("c"), []);
    announcements.refused();
    expect(names(announcements.nextMessage())).toBe("RESUME 3");
    expect(announcements.refusedForRoom(true)).toBe(false);
    expect(names(announcements.nextMessage())).toBe("RESUME 3");
    announcements.resumed(false);
    announcements.nextMessage();
    announcements.forgotten();
    expect(announcements.settled).toBe(false);
    expect(names(announcements.nextMessage())).toBe("RESUME 3");
  });

  test("and empty has nothing to ask for", () => {
    const announcements = new Announcements();
    announcements.complete();
    announcements.connected();
    expect(names(announcements.nextMessage())).toBe("REGISTER + -");
  });

  test("is one digest whatever the way that led there", () => {
    const announcements = begun();
    announcements.shared.downloading(fileEntry("film"));
    announcements.shared.changed(files("film", "x"), gone("b"));
    announcements.shared.changed(files("film"), gone("x", "film", "never was"));
    announcements.shared.downloading(fileEntry("late"));
    announcements.shared.downloaded("late" as FileName);
    announcements.shared.downloadEnded("late" as FileName);
    announcements.connected();
    const library = { digest: digestOf(files("a", "film")), files: 2 };
    expect(announcements.nextMessage()).toEqual({ type: "RESUME", library });
  });
});

test("a line is as long as it may be and no longer", () => {
  const announcements = new Announcements();
  announcements.shared.changed(
    Array.from({ length: 1_000 }, (_, i) => fileEntry(`f${i}`)),
    [],
  );
  announcements.connected();
  for (const maxBytes of [10_000, 50_000]) {
    const { add, remove } = announcements.nextMessage(maxBytes) as Change;
    const line = encodeIndexRequest({ type: "UPDATE", id: Number.MAX_SAFE_INTEGER, add, remove });
    expect(Buffer.byteLength(line)).toBeLessThanOrEqual(maxBytes);
    expect(Buffer.byteLength(line)).toBeGreaterThan(0.85 * maxBytes);
    announcements.acknowledged();
  }
});

describe("a running download", () => {
  const part = (name: string, content: string = name) => ({ ...fileEntry(name, content), partial: true });
  const settle = (announcements: Announcements) => {
    const said: string[] = [];
    for (let next = change(announcements); next !== undefined; next = change(announcements)) {
      const added = next.add.map(({ name, partial }) => `${name}${partial === true ? " in part" : ""}`);
      said.push(`${next.type} +${added.join()} -${next.remove.join()}`);
      announcements.acknowledged();
    }
    return said;
  };
  const connected = () => {
    const announcements = new Announcements();
    announcements.shared.changed(files("a"), []);
    announcements.connected();
    expect(settle(announcements)).toEqual(["REGISTER +a -"]);
    return announcements;
  };

  test("is said at once, and again over the next connection, until it ends", () => {
    const announcements = connected();
    announcements.shared.downloading(fileEntry("film"));
    expect(settle(announcements)).toEqual(["UPDATE +film in part -"]);
    announcements.connected();
    expect(settle(announcements)).toEqual(["REGISTER +a,film in part -"]);
    announcements.shared.downloadEnded("film" as FileName);
    announcements.shared.downloadEnded("film" as FileName);
    expect(settle(announcements)).toEqual(["UPDATE + -film"]);
    announcements.connected();
    expect(settle(announcements)).toEqual(["REGISTER +a -"]);
  });

  test("becomes the folder's own file, which is there to stay", () => {
    const announcements = connected();
    announcements.shared.downloading(fileEntry("film"));
    settle(announcements);
    announcements.shared.changed(files("film"), []);
    expect(settle(announcements)).toEqual(["UPDATE +film -"]);
    announcements.shared.downloaded("film" as FileName);
    announcements.shared.downloadEnded("film" as FileName);
    expect(settle(announcements)).toEqual([]);
    announcements.shared.changed([], gone("film"));
    expect(settle(announcements)).toEqual(["UPDATE + -film"]);
  });

  test("can be whole and served before the folder has it, or without it", () => {
    const announcements = connected();
    announcements.shared.downloading(fileEntry("film"));
    settle(announcements);
    announcements.shared.downloaded("film" as FileName);
    expect(settle(announcements)).toEqual(["UPDATE +film -"]);
    // Nothing is new to the index when the folder has found it.
    announcements.shared.changed(files("film"), []);
    expect(settle(announcements)).toEqual([]);
  });

  test("takes no name from a file of the folder", () => {
    const announcements = connected();
    announcements.shared.downloading(fileEntry("a", "another"));
    announcements.shared.downloaded("a" as FileName);
    announcements.shared.downloadEnded("a" as FileName);
    expect(settle(announcements)).toEqual([]);
  });

  test("is no news to people before it is whole", () => {
    const announcements = connected();
    const news = () => {
      announcements.nextMessage();
      const { added, removed } = announcements.acknowledged();
      return `+${added.join()} -${removed.join()}`;
    };
    announcements.shared.downloading(fileEntry("film"));
    announcements.shared.downloading(fileEntry("other"));
    expect(news()).toBe("+ -");
    announcements.shared.downloadEnded("other" as FileName);
    expect(news()).toBe("+ -");
    announcements.shared.changed(files("film"), gone("a"));
    expect(news()).toBe("+film -a");
  });

  test("counts as a name where the index has little room", () => {
    const announcements = connected();
    announcements.shared.downloading(fileEntry("film"));
    expect(change(announcements)?.add).toEqual([part("film")]);
    expect(announcements.refusedForRoom(true)).toBe(true);
    expect(announcements.nextMessage()).toBeUndefined();
    expect(announcements.heldBackCount).toBe(1);
    announcements.shared.downloadEnded("film" as FileName);
    expect(settle(announcements)).toEqual([]);
    expect(announcements.heldBackCount).toBe(0);
  });
});

// --- the model: an index that acknowledges, refuses (having applied any part), forgets, and is lost ---

type Step =
  | { do: "change"; add: FileEntry[]; remove: FileName[] }
  | {
      do: "connect" | "lose" | "send" | "acknowledge" | "lose late" | "complete" | "forget" | "say forgotten";
    }
  | { do: "downloading" | "downloaded" | "ended"; entry: FileEntry }
  | { do: "refuse"; applied: number };

const nameArbitrary = fc.constantFrom("a", "b", "c", "x/a") as unknown as fc.Arbitrary<FileName>;
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("change" as const),
    add: fc.array(
      fc.tuple(nameArbitrary, fc.nat(2)).map(([name, content]) => fileEntry(name, content)),
      {
        maxLength: 3,
      },
    ),
    remove: fc.array(nameArbitrary, { maxLength: 3 }),
  }),
  fc.record({
    do: fc.constantFrom(
      "connect" as const,
      "lose",
      "send",
      "acknowledge",
      "lose late",
      "send",
      "acknowledge",
      "complete",
      "forget",
      "say forgotten",
    ),
  }),
  fc.record({
    do: fc.constantFrom("downloading" as const, "downloaded", "ended"),
    entry: fc.tuple(nameArbitrary, fc.nat(2)).map(([name, content]) => fileEntry(name, content)),
  }),
  fc.record({ do: fc.constant("refuse" as const), applied: fc.nat(5) }),
);

/** The folder's files and, where it has none of that name, downloads; as `name root state`. */
function shared(files: Map<string, FileEntry>, downloads = new Map<string, FileEntry>()): string[] {
  return [...new Map([...downloads, ...files]).values()]
    .map(({ name, root, partial }) => `${name} ${root} ${partial === true ? "part" : "whole"}`)
    .sort();
}

/** What an index does with the first `parts` of a message. */
function apply(
  index: Map<string, FileEntry>,
  { type, add, remove }: Change,
  parts = Number.POSITIVE_INFINITY,
) {
  if (type === "REGISTER") index.clear();
  for (const name of remove.slice(0, parts)) index.delete(name);
  for (const entry of add.slice(0, parts)) index.set(entry.name, entry);
}

/** What an index does with any message, and that it is told. */
function accept(index: Map<string, FileEntry>, message: Announcement, announcements?: Announcements): void {
  if (message.type !== "RESUME") {
    apply(index, message);
    announcements?.acknowledged();
    return;
  }
  const held = digestOf(index.values()) === message.library.digest;
  if (!held) index.clear();
  announcements?.resumed(held);
}

test("whatever is lost or refused, once all is acknowledged the index has what we share", () => {
  fc.assert(
    fc.property(fc.array(stepArbitrary, { maxLength: 60 }), (steps) => {
      const announcements = new Announcements();
      const ours = new Map<string, FileEntry>();
      const downloads = new Map<string, FileEntry>();
      const index = new Map<string, FileEntry>();
      let underWay: Announcement | undefined;
      let connected = false;
      for (const step of steps) {
        switch (step.do) {
          case "change":
            announcements.shared.changed(step.add, step.remove);
            for (const name of step.remove) ours.delete(name);
            for (const entry of step.add) {
              ours.set(entry.name, entry);
              downloads.delete(entry.name);
            }
            break;
          case "downloading":
            announcements.shared.downloading(step.entry);
            if (!ours.has(step.entry.name)) downloads.set(step.entry.name, { ...step.entry, partial: true });
            break;
          case "downloaded": {
            announcements.shared.downloaded(step.entry.name);
            const entry = downloads.get(step.entry.name);
            if (entry !== undefined) downloads.set(entry.name, { ...entry, partial: false });
            break;
          }
          case "ended":
            announcements.shared.downloadEnded(step.entry.name);
            downloads.delete(step.entry.name);
            break;
          case "complete":
            announcements.complete();
            break;
          case "connect":
            // What the index has on its disk stays there.
            announcements.connected();
            underWay = undefined;
            connected = true;
            break;
          case "forget":
            // It tells nobody: it was started without its disk.
            index.clear();
            announcements.lost();
            underWay = undefined;
            connected = false;
            break;
          case "say forgotten":
            if (underWay === undefined) break;
            underWay = undefined;
            announcements.forgotten();
            break;
          case "lose late":
            // The index had applied it, the answer was lost.
            if (underWay !== undefined) accept(index, underWay);
            announcements.lost();
            underWay = undefined;
            connected = false;
            break;
          case "lose":
            announcements.lost();
            underWay = undefined;
            connected = false;
            break;
          case "send": {
            const next = announcements.nextMessage();
            expect(next === undefined || underWay === undefined).toBe(true);
            underWay ??= next;
            break;
          }
          case "acknowledge":
            if (underWay === undefined) break;
            accept(index, underWay, announcements);
            underWay = undefined;
            break;
          case "refuse":
            if (underWay === undefined) break;
            if (underWay.type !== "RESUME") apply(index, underWay, step.applied);
            else if (step.applied > 0) index.clear();
            underWay = undefined;
            announcements.refused();
            break;
        }
        if (announcements.settled) expect(shared(index)).toEqual(shared(ours, downloads));
      }
      if (!connected) {
        announcements.connected();
        underWay = undefined;
      }
      for (let i = 0; !announcements.settled; i++) {
        expect(i).toBeLessThan(20);
        underWay ??= announcements.nextMessage();
        if (underWay === undefined) continue;
        accept(index, underWay, announcements);
        underWay = undefined;
      }
      expect(shared(index)).toEqual(shared(ours, downloads));
    }),
    { numRuns: 500 },
  );
});

// --- the model with an index that takes so many names and no more, of which others take some ---

type LimitedStep =
  | { do: "change"; add: FileEntry[]; remove: FileName[] }
  | { do: "exchange" | "retry" | "reconnect" | "forget" | "complete" }
  | { do: "limit"; names: number };

const manyNames = fc.nat(12).map((i) => `n${i}`) as unknown as fc.Arbitrary<FileName>;
const limitedStepArbitrary: fc.Arbitrary<LimitedStep> = fc.oneof(
  fc.record({
    do: fc.constant("change" as const),
    add: fc.array(
      fc.tuple(manyNames, fc.nat(2)).map(([name, content]) => fileEntry(name, content)),
      { maxLength: 8 },
    ),
    remove: fc.array(manyNames, { maxLength: 8 }),
  }),
  fc.record({
    do: fc.constantFrom(
      "exchange" as const,
      "exchange",
      "exchange",
      "retry",
      "reconnect",
      "forget",
      "complete",
    ),
  }),
  fc.record({ do: fc.constant("limit" as const), names: fc.nat(14) }),
);

class LimitedIndex {
  files = new Map<string, FileEntry>();
  limit = 6;

  constructor(private readonly announcements: Announcements) {}

  /** False when there is nothing to say. A refusal applies nothing, or as much as a full disk lets it. */
  exchange(isWhole: boolean): boolean {
    const message = this.announcements.nextMessage();
    if (message === undefined) return false;
    if (message.type === "RESUME") {
      accept(this.files, message, this.announcements);
      return true;
    }
    const after = new Map(this.files);
    apply(after, message);
    if (after.size <= this.limit || after.size <= this.files.size) {
      this.files = after;
      this.announcements.acknowledged();
      return true;
    }
    if (!isWhole && message.type === "UPDATE") apply(this.files, message, this.limit - this.files.size);
    expect(this.announcements.refusedForRoom(isWhole)).toBe(true);
    return true;
  }
}

test.each([true, false])(
  "an index with a limit (whole refusals: %p) gets what fits, and no lie",
  (isWhole) => {
    fc.assert(
      fc.property(fc.array(limitedStepArbitrary, { maxLength: 40 }), (steps) => {
        const announcements = new Announcements();
        const index = new LimitedIndex(announcements);
        const ours = new Map<string, FileEntry>();
        const settle = () => {
          for (let i = 0; index.exchange(isWhole); i++) expect(i).toBeLessThan(60);
          expect(announcements.settled).toBe(true);
          for (const [name, entry] of index.files) expect(entry).toEqual(ours.get(name)!);
          expect(index.files.size + announcements.heldBackCount).toBe(ours.size);
          expect(announcements.acceptedCount).toBe(index.files.size);
        };
        announcements.connected();
        for (const step of steps) {
          switch (step.do) {
            case "change":
              announcements.shared.changed(step.add, step.remove);
              for (const name of step.remove) ours.delete(name);
              for (const entry of step.add) ours.set(entry.name, entry);
              break;
            case "exchange":
              index.exchange(isWhole);
              break;
            case "retry":
              announcements.retryHeldBack();
              break;
            case "forget":
              index.files.clear();
              announcements.connected();
              break;
            case "reconnect":
              announcements.connected();
              break;
            case "complete":
              announcements.complete();
              break;
            case "limit":
              index.limit = Math.max(step.names, index.files.size);
              break;
          }
        }
        settle();
        announcements.retryHeldBack();
        settle();
        // All the room there is is used (a full disk may have taken some of it for names that were held back after all).
        if (isWhole) expect(index.files.size).toBe(Math.min(ours.size, index.limit));
        index.limit = 100;
        announcements.retryHeldBack();
        settle();
        expect(index.files).toEqual(ours);
      }),
      { numRuns: 500 },
    );
  },
);
