/** A private network of the built binary on one machine: an index, and homes as of several machines. */
import { join } from "node:path";
import { parseJoinLink } from "../../src/trust/join-link.ts";
import type { BinaryProcess } from "./binary-process.ts";
import { type RunningServer, Sandbox, type StartOptions } from "./sandbox.ts";

export class PrivateNetwork implements AsyncDisposable {
  /** All that was started here, but for what `start` did. */
  readonly processes: BinaryProcess[] = [];

  private constructor(
    readonly box: Sandbox,
    readonly index: RunningServer,
    /** Of the machine of the index. */
    readonly home: string,
    /** As it was at first. */
    readonly link: string,
  ) {}

  /** On loopback, where a network is private when it is named. */
  static async start(...flags: string[]): Promise<PrivateNetwork> {
    const box = new Sandbox();
    try {
      const home = box.newFolder("state");
      const index = await box.index(["--db", ":memory:", "--network", "default", ...flags], {
        env: { P2P_HOME: home },
      });
      const { stdout } = await box.run(["token", "show"], { env: { P2P_HOME: home } });
      return new PrivateNetwork(box, index, home, stdout.trimEnd());
    } catch (error) {
      await box[Symbol.asyncDispose]();
      throw error;
    }
  }

  get token(): string {
    return parseJoinLink(this.link).token.reveal();
  }

  /** A machine that has joined. */
  async machine(link: string = this.link): Promise<string> {
    const home = this.box.newFolder("state");
    const run = await this.join(home, link);
    if (run.exitCode !== 0) throw new Error(run.said());
    return home;
  }

  join(home: string, link: string, ...flags: string[]): Promise<BinaryProcess> {
    return this.run(home, ["join", ...flags], { stdin: { text: `${link}\n` } });
  }

  start(home: string, argv: readonly string[], options: StartOptions = {}): BinaryProcess {
    const started = this.box.start(argv, { ...options, env: { P2P_HOME: home, ...options.env } });
    this.processes.push(started);
    return started;
  }

  async run(home: string, argv: readonly string[], options: StartOptions = {}): Promise<BinaryProcess> {
    const started = this.start(home, argv, options);
    await started.exit();
    return started;
  }

  /** A running peer that shares one file, and has registered it without being told of an index. */
  async peer(home: string, name: string, bytes: Uint8Array): Promise<BinaryProcess> {
    const folder = this.box.newFolder("shared");
    this.box.put(folder, name, bytes);
    const peer = this.start(home, ["peer", folder, "--port", "0", "--json", "--no-prompt", "--settle", "0"]);
    await peer.waitForEvent("registered", { timeoutMs: 20_000 });
    return peer;
  }

  /** The file of a network in a home. */
  static fileIn(home: string, name = "default"): string {
    return join(home, "networks", `${name}.json`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.box[Symbol.asyncDispose]();
  }
}
