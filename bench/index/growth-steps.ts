/** An index that grows, measured step by step beside one that stays small, so that both meet the same minutes. */
import { checkPlanted } from "./ask.ts";
import { filesOfPeer, type Shape } from "./catalogue.ts";
import { Crowd } from "./crowd.ts";
import { libraryDigest } from "./digest.ts";
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
  /** Of the files it has open. */
  fileBytes: number;
}

/** A running index that the first peers of a network have joined. */
export class Grown implements AsyncDisposable {
  /** Of the library of each peer, to come back with. */
  readonly digests: string[] = [];

  private constructor(
    readonly index: Server,
    private readonly crowd: Crowd,
    /** The whole network, of which a part is here. */
    private readonly network: Shape,
    /** Files of requests. */
    private readonly files: { single: string; popular: string },
  ) {}

  static async start(workspace: Workspace, storage: Storage, network: Shape): Promise<Grown> {
    const index = await startIndex(workspace, storage);
    const files = { single: workspace.path("single"), popular: workspace.path("popular") };
    return new Grown(index, new Crowd(index.port), network, files);
  }

  /** Returns how many seconds it took. */
  async growTo(peers: number): Promise<number> {
    const { crowd, network, digests, files } = this;
    const from = crowd.size;
    const seconds = await crowd.joinEach(peers - from, (at) => {
      const shared = filesOfPeer(from + at, network);
      digests[from + at] = libraryDigest(shared);
      return shared;
    });
    const here = { ...network, peers };
    writePlantedQueries(files.single, here, 1);
    writePopularQueries(files.popular, network, peers);
    await checkPlanted(this.index.port, here);
    return seconds;
  }

  async ask(workspace: Workspace): Promise<Asked> {
    this.crowd.requireWhole();
    const seconds = workspace.settings.seconds / turns;
    const each = { server: this.index, connections: 50, seconds, warmSeconds: seconds / 4 };
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

/** Often in turn rather than long: then both sizes meet the same seconds. */
const turns = 4;

/** The one in the middle by p50, for each request. */
function middle(all: readonly Asked[]): Asked {
  const of = (figure: (asked: Asked) => LoadResult) =>
    all.map(figure).sort((a, b) => a.p50Us - b.p50Us)[all.length >> 1]!;
  return { single: of(({ single }) => single), popular: of(({ popular }) => popular) };
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
      const asked: { small: Asked[]; grown: Asked[] } = { small: [], grown: [] };
      for (let turn = 0; turn < turns; turn++) {
        asked.small.push(await small.ask(workspace));
        if (small !== grown) asked.grown.push(await grown.ask(workspace));
      }
      const first = middle(asked.small);
      return { small: first, grown: small === grown ? first : middle(asked.grown) };
    },
    1,
  );
  const { memory, openFileBytes } = grown.index;
  return { holdings: peers * filesPerPeer, rounds: all, memory, fileBytes: openFileBytes };
}
