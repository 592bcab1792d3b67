import { expect, test } from "bun:test";
import { AwayError, type Row } from "../../../src/index-server/postgres/database.ts";
import { JointQuestions } from "../../../src/index-server/postgres/joint-questions.ts";
import { until } from "../../helpers/until.ts";

/** Answers what it is told to. */
class Database {
  readonly asked: { keys: string[]; answer(rows: Row[]): void; fail(error: Error): void }[] = [];

  ask(keys: string[]): Promise<Row[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Row[]>();
    this.asked.push({ keys, answer: resolve, fail: reject });
    return promise;
  }
}

function open(nowMs?: () => number) {
  const database = new Database();
  const questions = new JointQuestions((keys) => database.ask(keys), nowMs);
  return { database, questions, asked: (count: number) => until(() => database.asked.length === count) };
}

const keysOf = ({ asked }: Database) => asked.map(({ keys }) => keys.join(" "));

test("what comes at once is one statement, and each gets the rows of its key", async () => {
  const { database, questions, asked } = open();
  const answers = Promise.all(["a", "b", "c"].map((key) => questions.rowsOf(key)));
  await asked(1);
  expect(keysOf(database)).toEqual(["a b c"]);
  expect(questions.isBusy).toBe(true);
  database.asked[0]!.answer([
    ["c", 3],
    ["a", 1, "x"],
    ["a", 2, "y"],
  ]);
  expect(await answers).toEqual([
    [
      [1, "x"],
      [2, "y"],
    ],
    [],
    [[3]],
  ]);
  expect(questions.isBusy).toBe(false);
});

test("whoever asks the same gets the same, but only as long as it is not asked yet", async () => {
  const { database, questions, asked } = open();
  const first = [questions.rowsOf("a"), questions.rowsOf("a")];
  await asked(1);
  const later = questions.rowsOf("a");
  await asked(2);
  expect(keysOf(database)).toEqual(["a", "a"]);
  database.asked[0]!.answer([["a", "old"]]);
  database.asked[1]!.answer([["a", "new"]]);
  expect(await Promise.all(first)).toEqual([[["old"]], [["old"]]]);
  expect(await later).toEqual([["new"]]);
});

test("beyond four statements they wait, and then go together, sixteen at most", async () => {
  const { database, questions, asked } = open();
  const early = [];
  for (const key of ["a", "b", "c", "d"]) {
    early.push(questions.rowsOf(key));
    await asked(early.length);
  }
  const late = Array.from({ length: 20 }, (_, i) => questions.rowsOf(`late${i}`));
  // Longer than it takes to begin one.
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  expect(keysOf(database)).toEqual(["a", "b", "c", "d"]);
  database.asked[1]!.answer([]);
  await asked(5);
  expect(database.asked[4]!.keys).toHaveLength(16);
  database.asked[2]!.answer([]);
  await asked(6);
  expect(database.asked[5]!.keys).toEqual(["late16", "late17", "late18", "late19"]);
  for (const { answer } of database.asked) answer([]);
  await Promise.all([...early, ...late]);
});

test("a statement that fails fails for those who asked with it, and for nobody else", async () => {
  const { database, questions, asked } = open();
  const ends = Promise.allSettled([questions.rowsOf("a"), questions.rowsOf("b")]);
  await asked(1);
  const other = questions.rowsOf("c");
  await asked(2);
  database.asked[0]!.fail(new Error("away"));
  expect((await ends).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  database.asked[1]!.answer([["c", 1]]);
  expect(await other).toEqual([[1]]);
});

test("F33: while the database does not answer, nobody waits for more than one deadline", async () => {
  const { database, questions, asked } = open();
  const first = questions.rowsOf("first");
  await asked(1);
  const others = [];
  for (const key of ["e", "f", "g"]) {
    others.push(questions.rowsOf(key));
    await asked(1 + others.length);
  }
  const late = Array.from({ length: 100 }, (_, i) => questions.rowsOf(`late${i}`));
  const ends = Promise.allSettled([first, ...late]);
  database.asked[0]!.fail(new AwayError("RETRY"));
  expect((await ends).every(({ status }) => status === "rejected")).toBe(true);
  expect(database.asked).toHaveLength(4);
  for (const { answer } of database.asked.slice(1)) answer([]);
  expect(await Promise.all(others)).toEqual([[], [], []]);
  expect(questions.isBusy).toBe(false);
});

test("F33: while the database answers slowly, whoever waited for 4.5 s is told to come again", async () => {
  let now = 0;
  const { database, questions, asked } = open(() => now);
  const first = [];
  for (const key of ["a", "b", "c", "d"]) {
    first.push(questions.rowsOf(key));
    await asked(first.length);
  }
  const early = Promise.allSettled(Array.from({ length: 20 }, (_, i) => questions.rowsOf(`early${i}`)));
  now = 1_000;
  const late = questions.rowsOf("late");
  now = 4_501;
  database.asked[0]!.answer([]);
  expect((await early).every(({ status }) => status === "rejected")).toBe(true);
  await asked(5);
  expect(keysOf(database)[4]).toBe("late");
  for (const { answer } of database.asked.slice(1)) answer([]);
  expect(await Promise.all([...first, late])).toEqual([[], [], [], [], []]);
});
