/** An index that grows, measured step by step beside one that stays small, so that both meet the same minutes. */
import { checkPlanted } from "./ask.ts";
import type { Shape } from "./catalogue.ts";
import { Crowd } from "./crowd.ts";
import { type LoadResult, load } from "./load-client.ts";
import { writePlantedQueries, writePopularQueries } from "./requests.ts";
import { type Round, rounds } from "./rounds.ts";
import { type Server, startIndex } from "./servers.ts";
import type { Storage, Workspace } from "./workspace.ts";

export const filesPerPeer = 1_000;

export interface Asked {
  single: LoadResult;
  popular: LoadResult;
}

export interface Step {
  holdings: number;
  rounds: Round<{ small: Asked; grown: Asked }>[];
  memory: { all: number; anonymous: number };
  /** Of its files. */
  bytes: number;
}

/** A running index of one size with all its peers. */
export class Grown implements AsyncDisposable {
  private constructor(
    readonly index: Server,
    private readonly crowd: Crowd,
    /** Files of requests. */
    private readonly files: { single: string; popular: string },
  ) {}

  static async start(workspace: Workspace, storage: Storage): Promise<Grown> {
    const index = await startIndex(workspace, storage);
    return new Grown(index, new Crowd(index.port), {
      single: workspace.path("single"),
      popular: workspace.path("popular"),
    });
  }

  /** Returns how many seconds it took. */
  async growTo(peers: number): Promise<number> {
    const shape: Shape = { peers, filesPerPeer };
    const seconds = await this.crowd.join(shape, this.crowd.size);
    writePlantedQueries(this.files.single, shape, 1);
    writePopularQueries(this.files.popular, shape);
    // Asked once for its own sake, too: a first question is slower than those that follow.
    await checkPlanted(this.index.port, shape);
    return seconds;
  }

  async ask(workspace: Workspace): Promise<Asked> {
    const each = { port: this.index.port, connections: 50 };
    const single = await load(workspace, { ...each, file: this.files.single });
    return { single, popular: await load(workspace, { ...each, file: this.files.popular }) };
  }

  get popularQueries(): string {
    return this.files.popular;
  }

  async end(): Promise<void> {
    await this.crowd[Symbol.asyncDispose]();
    await this.index.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crowd[Symbol.asyncDispose]();
    await this.index[Symbol.asyncDispose]();
  }
}

export async function measureStep(
  workspace: Workspace,
  label: string,
  peers: number,
  { small, grown }: { small: Grown; grown: Grown },
): Promise<Step> {
  const all = await rounds(
    workspace,
    label,
    async () => {
      const first = await small.ask(workspace);
      return { small: first, grown: small === grown ? first : await grown.ask(workspace) };
    },
    1,
  );
  const { memory } = grown.index;
  const bytes = grown.index.files().reduce((sum, each) => sum + each.bytes, 0);
  return { holdings: peers * filesPerPeer, rounds: all, memory, bytes };
}
