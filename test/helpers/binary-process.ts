/**
 * One run of the binary: its JSON events as they come, what else it says, its end. Waits are for conditions and
 * have deadlines; when one passes, the error says what the process had said until then.
 */

export interface Launch {
  argv: string[];
  cwd: string;
  env: Record<string, string>;
  stdin: "null" | "open" | { text: string };
}

/** A line of stdout with `--json`. */
export interface JsonEvent {
  event: string;
  [field: string]: unknown;
}

const defaultTimeoutMs = 10_000;
/** From SIGTERM to SIGKILL. */
const graceMs = 3_000;

export class BinaryProcess {
  readonly pid: number;
  readonly events: JsonEvent[] = [];
  /** Lines of stdout that are no event. */
  readonly otherLines: string[] = [];
  stdout = "";
  stderr = "";
  private readonly child: Bun.Subprocess<"pipe" | "ignore", "pipe", "pipe">;
  /** Resolves once it has ended and all of its output is here. */
  private readonly allSaid: Promise<void>;
  private ended = false;
  private readonly waiting = new Set<() => void>();

  constructor(
    readonly launch: Launch,
    private readonly onStderr?: (process: BinaryProcess, text: string) => void,
  ) {
    this.child = Bun.spawn(launch.argv, {
      cwd: launch.cwd,
      env: launch.env,
      stdin: launch.stdin === "null" ? "ignore" : "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.pid = this.child.pid;
    this.allSaid = Promise.all([this.readOut(), this.readErr(), this.child.exited]).then(() => {
      this.ended = true;
      this.wake();
    });
    if (typeof launch.stdin === "object") {
      this.write(launch.stdin.text);
      this.endInput();
    }
  }

  /** The exit code once it ended, 128 + n for signal n as in a shell. */
  get exitCode(): number | undefined {
    if (this.child.exitCode !== null) return this.child.exitCode;
    return this.child.signalCode === null ? undefined : 128 + (signalNumbers[this.child.signalCode] ?? 0);
  }

  /** User and system seconds it used; known once it ended. */
  get cpuSeconds(): number {
    return Number(this.child.resourceUsage()?.cpuTime.total ?? Number.NaN) / 1e6;
  }

  write(text: string): void {
    const input = this.child.stdin;
    if (input === undefined) throw new Error("this process was started without an input");
    input.write(text);
    input.flush();
  }

  endInput(): void {
    this.child.stdin?.end();
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /**
   * The first event of that kind that `where` accepts, at or after index `from` of the events. A deadline passed
   * or an end of the process without it is an error.
   */
  async waitForEvent(
    kind: string,
    options: { where?: (event: JsonEvent) => boolean; from?: number; timeoutMs?: number } = {},
  ): Promise<JsonEvent> {
    const find = () =>
      this.events
        .slice(options.from ?? 0)
        .find((each) => each.event === kind && (options.where?.(each) ?? true));
    await this.waitUntil(() => find() !== undefined, `the event "${kind}"`, options.timeoutMs);
    return find() as JsonEvent;
  }

  /** Waits until what the process says makes `condition` true. It is asked again after each piece of output. */
  async waitUntil(
    condition: () => boolean,
    what: string,
    timeoutMs: number = defaultTimeoutMs,
  ): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    while (!condition()) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new Error(`no ${what} within ${timeoutMs} ms\n${this.said()}`);
      if (this.ended) throw new Error(`the process ended without ${what}\n${this.said()}`);
      await this.nextOutput(leftMs);
    }
  }

  /** Waits for the end and all output before it. Returns the exit code. */
  async exit(timeoutMs: number = 20_000): Promise<number> {
    const timedOut = Symbol();
    const timer = Promise.withResolvers<typeof timedOut>();
    const handle = setTimeout(() => timer.resolve(timedOut), timeoutMs);
    const outcome = await Promise.race([this.allSaid, timer.promise]);
    clearTimeout(handle);
    if (outcome === timedOut) throw new Error(`it did not end within ${timeoutMs} ms\n${this.said()}`);
    return this.exitCode ?? -1;
  }

  /** Ends it: SIGTERM, and SIGKILL when that is ignored. For one that ended already this does nothing. */
  async end(): Promise<void> {
    if (this.exitCode === undefined) {
      this.child.kill("SIGTERM");
      // A stopped one would not hear it.
      this.child.kill("SIGCONT");
      const timer = setTimeout(() => this.child.kill("SIGKILL"), graceMs);
      await this.child.exited;
      clearTimeout(timer);
    }
    await this.allSaid;
  }

  /** The command line, the exit code and all output, for error messages. */
  said(): string {
    const [, ...argv] = this.launch.argv;
    const end = this.exitCode === undefined ? "still running" : `exit ${this.exitCode}`;
    return `p2p ${argv.join(" ")} (${end})\n--- stdout\n${this.stdout}\n--- stderr\n${this.stderr}`;
  }

  private async readOut(): Promise<void> {
    const decoder = new TextDecoder();
    let pending = "";
    for await (const bytes of this.child.stdout) {
      const text = decoder.decode(bytes, { stream: true });
      this.stdout += text;
      const lines = (pending + text).split("\n");
      pending = lines.pop() ?? "";
      for (const line of lines) this.takeLine(line);
      this.wake();
    }
    if (pending !== "") this.takeLine(pending);
  }

  private async readErr(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.child.stderr) {
      const text = decoder.decode(bytes, { stream: true });
      this.stderr += text;
      this.onStderr?.(this, text);
      this.wake();
    }
  }

  private takeLine(line: string): void {
    const event = parseEvent(line);
    if (event === undefined) this.otherLines.push(line);
    else this.events.push(event);
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  private async nextOutput(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.waiting.add(resolve);
    const timer = setTimeout(resolve, timeoutMs);
    await promise;
    clearTimeout(timer);
    this.waiting.delete(resolve);
  }
}

/** The signals that tests meet; others count as 128. */
const signalNumbers: Record<string, number> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

function parseEvent(line: string): JsonEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isEvent =
      typeof value === "object" && value !== null && "event" in value && typeof value.event === "string";
    return isEvent ? (value as JsonEvent) : undefined;
  } catch {
    return undefined;
  }
}
