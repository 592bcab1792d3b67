/**
 * A model (a Map of Maps) that any sequence of registrations, updates, departures and returns must agree with, in
 * QUERY, LIST and the counters. A dozen runs have one store, so that each begins among what former ones have left
 * behind; not more, because above 64 holders LIST may count those that left.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { CatalogPeer } from "../../src/index-server/catalog.ts";
import { lastPart } from "../../src/wire/file-name.ts";
import type { FileEntry } from "../../src/wire/messages.ts";
import { fileEntry } from "../helpers/file-entries.ts";
import { claimOf, type OpenStore, Store } from "./open-store.ts";

const names = ["a", "b", "x/a", "x/b", "y/x/a", "ü", "A"];
const fileArbitrary = fc
  .tuple(fc.constantFrom(...names), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 3 }))
  .map(([name, content, kind]): FileEntry => {
    const file = fileEntry(name, content);
    return kind === 0 ? { ...file, partial: true } : file;
  });

type Step =
  | { do: "register"; peer: number; files: FileEntry[] }
  | { do: "update"; peer: number; add: FileEntry[]; remove: string[] }
  | { do: "leave"; peer: number }
  | { do: "return"; peer: number };

const peerArbitrary = fc.integer({ min: 0, max: 3 });
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("register" as const),
    peer: peerArbitrary,
    files: fc.array(fileArbitrary, { maxLength: 6 }),
  }),
  fc.record({
    do: fc.constant("update" as const),
    peer: peerArbitrary,
    add: fc.array(fileArbitrary, { maxLength: 4 }),
    remove: fc.array(fc.constantFrom(...names), { maxLength: 4 }),
  }),
  fc.record({ do: fc.constant("leave" as const), peer: peerArbitrary }),
  fc.record({ do: fc.constant("return" as const), peer: peerArbitrary }),
);

type Library = Map<string, FileEntry>;
/** What every peer that is connected has. */
type Model = Map<number, Library>;

const hostOf = (peer: number) => `10.0.0.${peer + 1}`;
const portOf = (peer: number) => 20_000 + peer;

class Run {
  private readonly model: Model = new Map();
  private readonly peers = new Map<number, CatalogPeer>();
  /** What it had when it left: what its host says when it comes back. */
  private readonly left = new Map<number, Library>();

  constructor(private readonly store: Store) {}

  async take(step: Step): Promise<void> {
    const { store, model, peers, left } = this;
    const peer = peers.get(step.peer);
    const has = model.get(step.peer);
    if (step.do === "register") {
      const now = peer ?? store.catalog.join(hostOf(step.peer));
      peers.set(step.peer, now);
      await store.register(now, step.files, portOf(step.peer));
      model.set(step.peer, new Map(step.files.map((file) => [file.name, file])));
    } else if (step.do === "return") {
      const library = left.get(step.peer);
      if (peer !== undefined || library === undefined) return;
      const back = store.catalog.join(hostOf(step.peer));
      peers.set(step.peer, back);
      const claim = claimOf([...library.values()]);
      const { held } = await store.claim(back, claim, portOf(step.peer));
      model.set(step.peer, held === true ? library : new Map());
    } else if (peer !== undefined && has !== undefined) {
      if (step.do === "leave") this.leave(step.peer);
      else {
        await store.update(peer, step.add, step.remove);
        for (const name of step.remove) has.delete(name);
        for (const file of step.add) has.set(file.name, file);
      }
    }
  }

  leaveAll(): void {
    for (const peer of [...this.peers.keys()]) this.leave(peer);
  }

  async check(): Promise<void> {
    const { catalog } = this.store;
    const { model } = this;
    for (const name of [...names, "nothing"])
      expect(await this.store.found(name)).toEqual(expected(model, name));
    const { files } = await catalog.list({}, "**", "", 1_000);
    expect(files.map(({ name, root, total }) => `${name} ${root} ${total}`).sort()).toEqual(listed(model));
    const counted = [...model.values()].reduce((sum, has) => sum + has.size, 0);
    expect(catalog.counts).toMatchObject({ peers: model.size, files: counted });
  }

  private leave(peer: number): void {
    this.store.catalog.leave(this.peers.get(peer)!);
    this.peers.delete(peer);
    this.left.set(peer, new Map(this.model.get(peer)));
    this.model.delete(peer);
  }
}

export function modelTest(open: OpenStore): void {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("QUERY, LIST and the counters agree with a model (%d)", async () => {
    await using store = await Store.open(open);
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 20 }), async (steps) => {
        const run = new Run(store);
        try {
          for (const step of steps) await run.take(step);
          await run.check();
        } finally {
          run.leaveAll();
        }
        expect(store.catalog.counts).toMatchObject({ peers: 0, files: 0 });
      }),
      { numRuns: 12 },
    );
    expect(store.listener.failures).toEqual([]);
  });
}

/** What LIST says: names that somebody has whole, with how many have the content whole. */
function listed(model: Model): string[] {
  const whole = [...model].flatMap(([peer, files]) =>
    [...files.values()].filter(({ partial }) => !partial).map((file) => ({ peer, file })),
  );
  const lines = whole.map(({ file: { name, root } }) => {
    const holders = new Set(whole.filter(({ file }) => file.root === root).map(({ peer }) => peer));
    return `${name} ${root} ${holders.size}`;
  });
  return [...new Set(lines)].sort();
}

function expected(model: Model, asked: string): string[] {
  const fits = (name: string) => (asked.includes("/") ? name === asked : lastPart(name) === asked);
  const all = [...model].flatMap(([peer, files]) => [...files.values()].map((file) => ({ peer, file })));
  const roots = new Set(all.filter(({ file }) => fits(file.name)).map(({ file }) => file.root));
  return [...roots]
    .map((root) => {
      const holdings = all.filter(({ file }) => file.root === root);
      const matching = new Set(holdings.map(({ file }) => file.name as string).filter(fits));
      const hasWhole = (peer: number) => holdings.some((held) => held.peer === peer && !held.file.partial);
      const ports = new Set(holdings.map(({ peer }) => `${portOf(peer)}${hasWhole(peer) ? "" : " in part"}`));
      return `${root.slice(0, 8)} ${ports.size} [${[...matching].sort().join(", ")}] ${[...ports].sort().join(",")}`;
    })
    .sort();
}
