/** What is fuzzed: a decoder, or whatever reads what others have written, and what it owes for every input. */
import { ProtocolError } from "../../src/wire/protocol-error.ts";

export interface Target {
  readonly name: string;
  /** No input is longer: whoever calls the decoder lets no more through. */
  readonly maxBytes: number;
  /** Where inputs begin, beside those in the corpus folder. */
  readonly seeds: () => readonly (string | Uint8Array)[];
  /** Inputs in `bun run check`: a fraction of a second. */
  readonly inCheck: number;
  /** What one input may cost whatever its length, in ms of CPU: for those that open files. */
  readonly leastMs?: number;
  begin(): Running | Promise<Running>;
}

/**
 * In few words what became of an input: one that brings forth new words is worth being mutated further. As a function
 * it looks at the outcome first, which is no part of what the input costs.
 */
export type Outcome = string | (() => string);

export interface Running {
  /** Throws for whatever must not be. */
  run(input: Uint8Array): Outcome | Promise<Outcome>;
  end(): void | Promise<void>;
}

/** Of a target that has nothing to begin and to end. */
export function pure(run: Running["run"]): Target["begin"] {
  return () => ({ run, end: () => {} });
}

/** What `decode` makes of it; a refusal is fine when it is one of those that are owed to the other side. */
export function decoded<Message>(
  decode: () => Message,
  isRefusal: (error: unknown) => boolean = (error) => error instanceof ProtocolError,
): { message: Message } | { refusal: string } {
  try {
    return { message: decode() };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { refusal: error instanceof ProtocolError ? refusalOf(error) : oneLine(error) };
  }
}

/** Strangers get fixed words of ours. */
function refusalOf({ code, id, message }: ProtocolError): string {
  if (message.length > 200 || /[^ -~]/.test(message)) throw new Error(`no words of ours: ${message}`);
  return `${code} ${id === null ? "" : "id"} ${message}`;
}

/** What people are told is one printable line. */
function oneLine(error: unknown): string {
  const { name, message } = error as Error;
  if (/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\ufeff]/u.test(message) || message.length > 2_000)
    throw new Error(`not one printable line: ${JSON.stringify(message.slice(0, 300))}`);
  return `${name} ${message.replaceAll(/[0-9]+/g, "0").slice(0, 40)}`;
}

/** What kind of value it is: its fields, and about how many of each. */
export function shapeOf(value: unknown, depth = 0): string {
  if (Array.isArray(value))
    return `[${Math.ceil(Math.log2(value.length + 1))}${shapeOf(value[0], depth + 1)}]`;
  if (value instanceof Uint8Array || typeof value !== "object" || value === null || depth > 3)
    return typeof value;
  return Object.entries(value)
    .map(([key, inner]) => `${key}:${key === "type" ? inner : shapeOf(inner, depth + 1)}`)
    .join();
}

/** Throws unless both are the same in every field. */
export function mustBeSame(what: string, one: unknown, other: unknown): void {
  if (Bun.deepEquals(one, other, true)) return;
  const shown = (value: unknown) => Bun.inspect(value).slice(0, 400);
  throw new Error(`${what}: ${shown(one)} and ${shown(other)}`);
}

export function must(isSo: boolean, otherwise: string): void {
  if (!isSo) throw new Error(otherwise);
}
