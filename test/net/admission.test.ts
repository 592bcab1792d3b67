/** Who may come in, and which of the silent ones has to go. */
import { describe, expect, test } from "bun:test";
import { addressLimit, originOf } from "../../src/net/address-limits.ts";
import { Admission } from "../../src/net/admission.ts";
import { type ConnectionLimits, indexConnectionLimits, shareOf } from "../../src/net/connection-limits.ts";

interface Visitor {
  name: string;
  origin: ReturnType<typeof originOf>;
  greeted: boolean;
}

class Door {
  readonly admission: Admission<Visitor>;
  private count = 0;
  nowMs = 0;

  constructor(limits: Partial<ConnectionLimits>) {
    this.admission = new Admission({ ...indexConnectionLimits, ...limits });
  }

  /** Undefined: not let in. */
  comes(host: string, greeted = false): Visitor | undefined {
    const origin = originOf(host);
    if (!this.admission.admits(origin, this.nowMs)) return undefined;
    const visitor = { name: `${host}#${++this.count}`, origin, greeted };
    this.admission.enter(visitor);
    return visitor;
  }

  /** Who is shown out by reviews until nobody has to go. */
  shownOut(): string[] {
    const names: string[] = [];
    while (this.admission.isCrowded) names.push(...this.admission.review(this.nowMs).map(({ name }) => name));
    return names;
  }
}

describe("comes in", () => {
  test("as many as there may be, and again when one leaves", () => {
    const door = new Door({ total: 2 });
    const first = door.comes("10.0.0.1", true)!;
    expect(door.comes("10.0.0.2", true)).toBeDefined();
    expect(door.comes("10.0.0.3", true)).toBeUndefined();
    door.admission.leave(first, 0);
    expect(door.comes("10.0.0.3", true)).toBeDefined();
  });

  test("as many of one address as there may be, whatever the others do", () => {
    const door = new Door({ perAddress: addressLimit(2) });
    const first = door.comes("10.0.0.1", true)!;
    door.comes("10.0.0.1", true);
    expect(door.comes("10.0.0.1", true)).toBeUndefined();
    expect(door.comes("10.0.0.2", true)).toBeDefined();
    expect([1, 2, 3].map(() => door.comes("127.0.0.1", true))).not.toContain(undefined);
    door.admission.leave(first, 0);
    expect(door.comes("10.0.0.1", true)).toBeDefined();
  });

  test("as often as an address may come, also when it leaves at once", () => {
    const door = new Door({ newPerAddress: addressLimit(3) });
    for (let i = 0; i < 3; i++) door.admission.leave(door.comes("10.0.0.1", true)!, 0);
    expect(door.comes("10.0.0.1", true)).toBeUndefined();
    expect(door.comes("10.0.0.2", true)).toBeDefined();
  });
});

test("who fails to prove that he belongs to the network keeps out those of his address, but not where members are or were (A22)", () => {
  const door = new Door({ failedProofsPerAddress: addressLimit(2), newPerAddress: addressLimit(1_000) });
  const [stranger, neighbour] = ["10.0.0.1", "10.0.0.2"];
  const fails = () => {
    for (const host of [stranger, neighbour])
      for (let i = 0; i < 5; i++) door.admission.failedProof(originOf(host), door.nowMs);
  };
  const letsIn = () => {
    fails();
    const came = [stranger, neighbour].map((host) => door.comes(host, true));
    for (const visitor of came) if (visitor !== undefined) door.admission.leave(visitor, door.nowMs);
    return came.map((visitor) => visitor !== undefined);
  };
  const member = door.comes(neighbour, true)!;
  door.admission.proved(member);
  expect(letsIn()).toEqual([false, true]);
  // However long it stays.
  door.nowMs = 3_600_000;
  expect(letsIn()).toEqual([false, true]);
  door.admission.leave(member, door.nowMs);
  door.nowMs += 590_000;
  expect(letsIn()).toEqual([false, true]);
  door.nowMs += 20_000;
  expect(letsIn()).toEqual([false, false]);
});

describe("has to go", () => {
  test("nobody at the first review: what has arrived may not have been read", () => {
    const door = new Door({ pending: 2 });
    const [first] = [1, 2, 3].map((last) => door.comes(`10.0.0.${last}`)!);
    expect(door.admission.review(0)).toEqual([]);
    first!.greeted = true;
    expect(door.admission.review(0)).toEqual([]);
    expect(door.admission.isCrowded).toBe(false);
  });

  test("nobody who has said HELLO is kept in mind as one who might", () => {
    const door = new Door({ pending: 2 });
    const visitors = [1, 2, 3].map((last) => door.comes(`10.0.0.${last}`)!);
    for (const visitor of visitors) visitor.greeted = true;
    expect(door.admission.isCrowded).toBe(true);
    door.admission.tidy(0);
    expect(door.admission.isCrowded).toBe(false);
  });

  test("the oldest silent one, and nobody who said HELLO or for whom there is room", () => {
    const door = new Door({ pending: 2 });
    door.comes("10.0.0.1", true);
    const silent = [2, 3, 4, 5].map((last) => door.comes(`10.0.0.${last}`)!.name);
    door.comes("10.0.0.9", true);
    expect(door.shownOut()).toEqual(silent.slice(0, 2));
    expect(door.shownOut()).toEqual([]);
  });

  test("first those of the address with most of them: a flood ends no connection but its own", () => {
    const door = new Door({ pending: 4 });
    const slow = door.comes("10.0.0.1")!.name;
    const flood = Array.from({ length: 20 }, () => door.comes("127.0.0.6")!.name);
    const other = ["10.0.0.2", "10.0.0.2"].map((host) => door.comes(host)!.name);
    const gone = door.shownOut();
    expect(gone).not.toContain(slow);
    expect(other.filter((name) => gone.includes(name))).toEqual([]);
    expect(gone).toEqual(flood.slice(0, 19));
  });

  test("so many that silent ones never have more than half of the room", () => {
    const door = new Door({ total: 10, pending: 256 });
    for (let i = 0; i < 10; i++) door.comes(`10.0.0.${i}`);
    expect(door.comes("10.0.1.1")).toBeUndefined();
    expect(door.shownOut()).toHaveLength(5);
    expect(door.comes("10.0.1.1", true)).toBeDefined();
  });

  test("and is counted no longer, neither in all nor for its address", () => {
    const door = new Door({ total: 4, perAddress: addressLimit(4) });
    for (let i = 0; i < 4; i++) door.comes("10.0.0.1");
    expect(door.comes("10.0.0.1")).toBeUndefined();
    expect(door.shownOut()).toHaveLength(2);
    expect([door.comes("10.0.0.1", true), door.comes("10.0.0.1", true)]).not.toContain(undefined);
    expect(door.comes("10.0.0.1")).toBeUndefined();
  });
});

test("threads share what there is, and each has some of it", () => {
  const limits = { ...indexConnectionLimits, total: 10, pending: 1, perAddress: addressLimit(64, 6) };
  expect(shareOf(limits, 4)).toMatchObject({
    total: 3,
    pending: 1,
    perAddress: { most: 2, countsLoopback: true },
    newPerAddress: { most: 75, countsLoopback: false },
    failedProofsPerAddress: { most: 2, countsLoopback: false },
  });
  expect(shareOf(limits, 1)).toEqual(limits);
});
