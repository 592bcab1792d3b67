/**
 * Runs a target with mutated inputs. Everything follows from the seed, the corpus and the number of the round: the same
 * round always brings the same inputs. What must not be becomes a Finding; the round goes on.
 */
import { Random } from "../helpers/random.ts";
import { corpusOf } from "./corpus.ts";
import { Costs } from "./costs.ts";
import { mutate } from "./mutate.ts";
import { shrunk } from "./shrink.ts";
import type { Running, Target } from "./target.ts";

export interface Finding {
  /** What is wrong, in one line. */
  problem: string;
  /** As short as it could be made. */
  input: Uint8Array;
}

export interface Round {
  seed: number;
  number: number;
  inputs: number;
  /** Called before each input is tried: of one that never ends nothing else would be known. */
  onInput?: (input: Uint8Array) => void;
}

/** Inputs that brought forth new words, in a round. */
const maxKept = 512;
const maxKeptBytes = 64 * 1024;
/** More of the same teach nothing. */
const maxFindings = 5;

/** `tried`: how many inputs, those of the corpus included. */
export async function fuzz(target: Target, round: Round): Promise<{ tried: number; findings: Finding[] }> {
  const running = await target.begin();
  try {
    return await new Fuzzing(target, running, round).run();
  } finally {
    await running.end();
  }
}

class Fuzzing {
  private readonly random: Random;
  private readonly costs: Costs;
  private readonly pool: Uint8Array[];
  private readonly words = new Set<string>();
  private readonly findings: Finding[] = [];
  private kept = 0;
  private tried = 0;

  constructor(
    private readonly target: Target,
    private readonly running: Running,
    private readonly round: Round,
  ) {
    this.random = new Random(Bun.hash.crc32(`${target.name} ${round.seed} ${round.number}`));
    this.costs = new Costs(target.leastMs);
    this.pool = corpusOf(target).map((input) => input.subarray(0, target.maxBytes));
    if (this.pool.length === 0) throw new Error(`${target.name} has no seeds`);
  }

  async run(): Promise<{ tried: number; findings: Finding[] }> {
    for (const input of [...this.pool]) await this.attempt(input);
    const { inputs } = this.round;
    for (let i = 0; i < inputs && this.findings.length < maxFindings; i++) await this.attempt(this.next());
    return { tried: this.tried, findings: this.findings };
  }

  private next(): Uint8Array {
    const { pool, random, target } = this;
    return mutate(random.pick(pool), random.pick(pool), random, target.maxBytes);
  }

  private async attempt(input: Uint8Array): Promise<void> {
    this.tried++;
    const problem = await this.problemOf(input);
    if (problem === undefined) return;
    if (this.findings.some((known) => sameKind(known.problem, problem))) return;
    const smallest = await shrunk(input, async (smaller) => {
      const other = await this.problemOf(smaller);
      return other !== undefined && sameKind(other, problem);
    });
    this.findings.push({ problem, input: smallest });
  }

  /** Each gets a copy of its own: a decoder that keeps or changes its input harms no other. */
  private async problemOf(input: Uint8Array): Promise<string | undefined> {
    this.round.onInput?.(input);
    const run = () => this.running.run(new Uint8Array(input));
    try {
      const { word, problem } = await this.costs.of(input.length, run);
      this.learn(word, input);
      return problem;
    } catch (error) {
      const { name, message, stack = "" } = error instanceof Error ? error : new Error(String(error));
      const where = /\n\s+at (.*)/.exec(stack)?.[1] ?? "";
      return `${name}: ${message.slice(0, 1_000)} (${where})`.replaceAll("\n", " ");
    }
  }

  private learn(word: string, input: Uint8Array): void {
    if (this.words.has(word)) return;
    this.words.add(word);
    if (this.kept >= maxKept || input.length > maxKeptBytes) return;
    this.kept++;
    this.pool.push(input);
  }
}

/** But for what differs from input to input. */
function sameKind(one: string, other: string): boolean {
  const kind = (problem: string) => problem.replaceAll(/[\d.]+|\{.*|".*/g, "").slice(0, 60);
  return kind(one) === kind(other);
}
