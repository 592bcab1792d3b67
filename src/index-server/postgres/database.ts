/**
 * Statements to a PostgreSQL, each under a deadline, with what its errors mean to a peer and to the log. Knows no table.
 *
 * A frozen server never answers, and a connection that was cut is only noticed by who uses it. So there is a deadline
 * on our side too; and after trouble with connections all of them are given up at once and new ones made, instead of
 * finding out one by one.
 */
import { SQL } from "bun";
import { monotonicMs } from "../../clock.ts";
import { LocalIoError, P2pError } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { type ErrorCode, ProtocolError } from "../../wire/protocol-error.ts";
import { StoreError } from "../catalog.ts";

export type Row = readonly unknown[];

/** A line for the log. May be told often. */
export type OnFailure = (line: string) => void;

/** With the retry, below the 5 s after which a peer should know that it is to come again. */
const deadlineMs = 4_500;
/** The server's own, a little earlier: so that it stops working on what nobody waits for. */
const serverDeadlineMs = 4_000;
const connectSeconds = 4;

/** Somebody else was in the way, and nothing was done. */
const collisions = new Set(["40001", "40P01"]);
const maxAttempts = 4;

export interface PoolOptions {
  url: string;
  connections: number;
  /** What a session is told as it begins; undefined where the server does not take them. */
  settings?: Record<string, string>;
  onFailure: OnFailure;
}

export const usualSettings: Record<string, string> = {
  statement_timeout: String(serverDeadlineMs),
  // A plan made while a table was small is kept when it is not. (And what cannot do without is no reason to compile.)
  enable_seqscan: "off",
  jit: "off",
  application_name: "p2p",
};

export class Pool {
  private sql: SQL;
  private closed = false;

  constructor(private readonly options: PoolOptions) {
    this.sql = this.connect();
  }

  /**
   * Runs a statement that may be run twice: when its connection is lost, nobody knows whether it was. Rejects with
   * StoreError.
   */
  async run(text: string, values: unknown[] = []): Promise<Row[]> {
    return this.within((sql) => sql.unsafe(text, values).values());
  }

  /** Runs a statement that may well be refused. */
  async attempt(text: string): Promise<void> {
    await byDeadline(this.sql.unsafe(text), deadlineMs).catch((error: unknown) => {
      const { kind } = failureOf(error);
      if (kind !== "other" && kind !== "slow") throw new StoreError("RETRY");
    });
  }

  /** Several statements that take effect as a whole, and that may do so twice. */
  async transaction<Result>(work: (run: Statements) => Promise<Result>): Promise<Result> {
    return this.within((sql) =>
      sql.begin((inside) => work((text, values = []) => inside.unsafe(text, values).values())),
    ) as Promise<Result>;
  }

  async close(): Promise<void> {
    this.closed = true;
    await settled(this.sql.close({ timeout: 1 }), 1_500);
  }

  // --- internal ---

  private connect(): SQL {
    const { url, connections, settings = usualSettings } = this.options;
    return new SQL({ url, max: connections, connectionTimeout: connectSeconds, connection: settings });
  }

  private async within<Result>(begin: (sql: SQL) => Promise<Result>): Promise<Result> {
    const endMs = monotonicMs() + deadlineMs;
    let hasLostConnection = false;
    for (let attempt = 1; ; attempt++) {
      const { sql } = this;
      try {
        return await byDeadline(begin(sql), endMs - monotonicMs());
      } catch (error) {
        if (error instanceof P2pError || error instanceof ProtocolError) throw error;
        const failure = failureOf(error);
        if (this.closed) throw new StoreError("RETRY");
        if (failure.kind === "connection" || failure.kind === "deadline") this.replace(sql);
        const isStale: boolean = failure.kind === "connection" && !hasLostConnection;
        hasLostConnection ||= isStale;
        const mayRetry = isStale || (failure.kind === "collision" && attempt < maxAttempts);
        if (mayRetry && monotonicMs() < endMs) continue;
        this.options.onFailure(failure.line);
        throw storeErrorOf(failure);
      }
    }
  }

  /** New connections for whoever comes now; what still runs on the old ones fails and is tried again on these. */
  private replace(failed: SQL): void {
    if (this.sql !== failed || this.closed) return;
    this.sql = this.connect();
    void settled(failed.close({ timeout: 0 }), 0);
  }
}

export type Statements = (text: string, values?: unknown[]) => Promise<Row[]>;

/** The database does not answer in time, or cannot be reached: whatever else it would be asked now waits as long. */
export class AwayError extends StoreError {}

/** What its askers are told. */
export function storeErrorOf({ kind, code }: Failure): StoreError {
  return kind === "collision" || kind === "other" ? new StoreError(code) : new AwayError(code);
}

class DeadlineError extends Error {}

function byDeadline<Result>(promise: Promise<Result>, ms: number): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new DeadlineError()), Math.max(1, ms));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function settled(promise: Promise<unknown>, ms: number): Promise<void> {
  await byDeadline(
    promise.catch(() => {}),
    ms,
  ).catch(() => {});
}

interface Failure {
  /** `slow`: it has stopped by itself what took too long. */
  kind: "connection" | "deadline" | "slow" | "collision" | "other";
  code: ErrorCode;
  line: string;
}

/** Of an SQLSTATE: its class, or all of it. */
const meanings: Record<string, string> = {
  "28": "it does not let us in: see user and password",
  "3D": "it has no such database",
  "42501": "this user may not do that: see the README",
  "53100": "its disk is full",
  "53300": "it has too many connections",
  "57014": "a statement took too long",
  "25006": "it takes no changes: it is a standby",
};

export function failureOf(error: unknown): Failure {
  if (error instanceof DeadlineError)
    return { kind: "deadline", code: "RETRY", line: "the database does not answer" };
  if (!(error instanceof SQL.SQLError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { kind: "other", code: "INTERNAL", line: `the database: ${printable(text, 500)}` };
  }
  const code = "code" in error ? String(error.code) : "";
  const state = "errno" in error && code === "ERR_POSTGRES_SERVER_ERROR" ? String(error.errno) : "";
  const meaning = meanings[state] ?? meanings[state.slice(0, 2)];
  const line = `the database: ${meaning ?? printable(error.message, 300)} (${state || code})`;
  if (collisions.has(state)) return { kind: "collision", code: "RETRY", line };
  // Ended by an operator, a restart or a crash; not yet, or not any more, taking connections.
  const isGone = state === "" || state.startsWith("08") || /^57P0[1-5]$/.test(state);
  if (isGone) return { kind: "connection", code: "RETRY", line };
  if (state === "53100") return { kind: "other", code: "STORAGE_FULL", line };
  if (state === "57014") return { kind: "slow", code: "RETRY", line };
  const passes = state.startsWith("53") || state === "25006" || state === "55P03";
  return { kind: "other", code: passes ? "RETRY" : "INTERNAL", line };
}

/** Throws LocalIoError when it cannot be used at all; returns the settings that this server takes. */
export async function probe(url: string): Promise<Record<string, string>> {
  const { enable_seqscan: _, jit: __, ...withoutPlans } = usualSettings;
  const candidates = [usualSettings, withoutPlans, {}];
  for (const [i, settings] of candidates.entries()) {
    const sql = new SQL({ url, max: 1, connectionTimeout: connectSeconds, connection: settings });
    try {
      await byDeadline(sql.unsafe("SELECT 1"), deadlineMs);
      return settings;
    } catch (error) {
      const failure = failureOf(error);
      // 22023, 42704: a setting that it does not know.
      const isLast =
        i === candidates.length - 1 || failure.kind !== "other" || /\(28|\(3D/.test(failure.line);
      if (isLast) throw new LocalIoError(`${shown(url)}: ${failure.line}`, { cause: error });
    } finally {
      void settled(sql.close({ timeout: 0 }), 0);
    }
  }
  throw new Error("unreachable");
}

/** Without the password. */
export function shown(url: string): string {
  if (!URL.canParse(url)) return "the database";
  const { protocol, host, pathname } = new URL(url);
  return printable(`${protocol}//${host}${pathname}`, 300);
}
