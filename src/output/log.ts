/**
 * What a person running the program may want to know, on standard error, one line each. Data goes to `output.ts`;
 * the one failure that ends a command is printed by `failure.ts`.
 */
import { createConsola, LogLevels } from "consola/core";
import { monotonicMs } from "../clock.ts";
import { RateLimit } from "./rate-limit.ts";
import type { Terminal } from "./terminal.ts";

export interface Log {
  /**
   * Remote text in `message` has passed through `printable`. At most 20 a second of each `kind` (by default the
   * level) are shown, the others counted.
   */
  debug(message: string, kind?: string): void;
  info(message: string, kind?: string): void;
  warn(message: string, kind?: string): void;
  error(message: string, kind?: string): void;
}

export interface ClosableLog extends Log {
  /** Tells what was held back and stops the timer. */
  close(): void;
}

export interface LogOptions {
  terminal: Terminal;
  /** Errors only; wins over `verbose`. */
  quiet?: boolean;
  verbose?: boolean;
  nowMs?: () => number;
}

/** More in a second can neither be read nor is it worth the disk of a service's journal. */
const linesPerSecond = 20;

type Level = "debug" | "info" | "warn" | "error";

const prefixes: Record<Level, { text: string; colour: number }> = {
  debug: { text: "debug: ", colour: 90 },
  info: { text: "", colour: 0 },
  warn: { text: "warning: ", colour: 33 },
  error: { text: "error: ", colour: 31 },
};

export function createLog(options: LogOptions): ClosableLog {
  const { terminal, nowMs = monotonicMs } = options;
  const logger = createConsola({
    level: options.quiet ? LogLevels.error : options.verbose ? LogLevels.debug : LogLevels.info,
    // Consola holds repeated lines back without saying when; the limit below does.
    throttle: 0,
    reporters: [
      { log: (entry) => terminal.print(`${paint(entry.type as Level, terminal)}${String(entry.args[0])}\n`) },
    ],
  });
  const limit = new RateLimit(linesPerSecond);
  let timer: ReturnType<typeof setTimeout> | undefined;

  const report = (atOnce: boolean): void => {
    clearTimeout(timer);
    timer = undefined;
    for (const { kind, count } of limit.takeSuppressed(nowMs(), atOnce)) {
      logger.warn(`${count} more suppressed (${kind})`);
    }
  };
  const write = (level: Level, message: string, kind: string): void => {
    if (logger.level < LogLevels[level]) return;
    const allowed = limit.allows(kind, nowMs());
    if (allowed) {
      logger[level](message);
    } else {
      timer ??= setTimeout(report, 1100, false);
      timer.unref();
    }
  };
  return {
    debug: (message, kind = "debug") => write("debug", message, kind),
    info: (message, kind = "info") => write("info", message, kind),
    warn: (message, kind = "warning") => write("warn", message, kind),
    error: (message, kind = "error") => write("error", message, kind),
    close: () => report(true),
  };
}

function paint(level: Level, terminal: Terminal): string {
  const { text, colour } = prefixes[level];
  return terminal.hasColours && colour !== 0 ? `\u001b[${colour}m${text}\u001b[39m` : text;
}
