/** Who is connected: slots that nobody has twice, bits that other threads read, a fair choice. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LiveBits, type LivePeer, LivePeers } from "../../../src/index-server/sqlite/live-peers.ts";
import { maxSlots } from "../../../src/index-server/sqlite/peer-ports.ts";
import { Random } from "../../helpers/random.ts";

function joined(live: LivePeers, port = 1, files = 0): LivePeer {
  const peer = live.join("10.0.0.1", 0);
  live.has(peer, { slot: peer.slot, port, files });
  return peer;
}

describe("a peer", () => {
  test("is told of from its first REGISTER on until it leaves", () => {
    const live = new LivePeers();
    const bits = new LiveBits(live.bits.shared);
    const peer = live.join("10.0.0.1", 7);
    const isThere = () => [live.size, live.at(peer.slot), live.byId(peer.id), bits.has(peer.slot)];
    expect(isThere()).toEqual([0, undefined, undefined, false]);
    live.has(peer, { slot: peer.slot, port: 7767, files: 3 });
    expect(isThere()).toEqual([1, peer, peer, true]);
    expect(peer).toMatchObject({ host: "10.0.0.1", port: 7767, files: 3, sinceMs: 7, isLive: true });
    expect(live.leave(peer)).toBe(true);
    expect(isThere()).toEqual([0, undefined, undefined, false]);
    expect(live.leave(peer)).toBe(false);
    // What was under way for it comes too late.
    live.has(peer, { slot: peer.slot, port: 7767, files: 3 });
    expect(isThere()).toEqual([0, undefined, undefined, false]);
    expect(live.files).toBe(0);
  });

  test("that left before it had registered was never there", () => {
    const live = new LivePeers();
    const peer = live.join("10.0.0.1", 0);
    expect([live.leave(peer), live.leave(peer)]).toEqual([true, false]);
    expect(live.size).toBe(0);
  });

  test("that comes back to what it had has that slot instead of its own", () => {
    const live = new LivePeers();
    const [peer, other] = [joined(live), joined(live)];
    const before = peer.slot;
    live.has(peer, { slot: 9, port: 1, files: 5 });
    expect([live.at(before), live.at(9), live.at(other.slot)]).toEqual([undefined, peer, other]);
    expect([before, 9, other.slot].map((slot) => live.bits.has(slot))).toEqual([false, true, true]);
    expect([live.size, live.files, peer.slot]).toEqual([2, 5, 9]);
  });
});

test("slots: nobody gets one of rows that are there, and each is given again once it is released", () => {
  const live = new LivePeers();
  live.reserve([2, 5]);
  const first = Array.from({ length: 4 }, () => live.join("h", 0).slot);
  expect(first.toSorted()).toEqual([1, 3, 4, 6]);
  live.release(5);
  expect(live.join("h", 0).slot).toBe(5);
  expect(live.join("h", 0).slot).toBe(7);
  const empty = new LivePeers();
  empty.reserve([]);
  expect(empty.join("h", 0).slot).toBe(1);
});

test("slots: when there is none left, who comes is told to come again", () => {
  const live = new LivePeers();
  live.reserve([maxSlots - 2]);
  for (let slot = maxSlots - 3; slot > 0; slot--) live.join("h", 0);
  expect(live.join("h", 0).slot).toBe(maxSlots - 1);
  expect(() => live.join("h", 0)).toThrow(expect.objectContaining({ code: "RETRY" }));
  live.release(77);
  expect(live.join("h", 0).slot).toBe(77);
});

test("whoever comes and goes: counts, bits, order and the choice by chance agree with a list", () => {
  type Step = { do: "join" | "leave" | "files"; at: number; files: number };
  const stepArbitrary: fc.Arbitrary<Step> = fc.record({
    do: fc.constantFrom("join", "leave", "files"),
    at: fc.nat({ max: 9 }),
    files: fc.nat({ max: 5 }),
  });
  fc.assert(
    fc.property(fc.array(stepArbitrary, { maxLength: 40 }), fc.nat(), (steps, seed) => {
      const live = new LivePeers();
      const random = new Random(seed);
      const peers: LivePeer[] = [];
      for (const step of steps) {
        if (step.do === "join") peers.push(joined(live, 1, step.files));
        const peer = peers[step.at];
        if (peer === undefined || step.do === "join") continue;
        if (step.do === "files") live.has(peer, { slot: peer.slot, port: 2, files: step.files });
        else {
          live.leave(peer);
          live.release(peer.slot);
          peers.splice(step.at, 1);
        }
      }
      expect([...live.sorted()]).toEqual(peers);
      expect(live.all().toSorted((a, b) => Number(a.id) - Number(b.id))).toEqual(peers);
      expect(live.size).toBe(peers.length);
      expect(live.files).toBe(peers.reduce((sum, { files }) => sum + files, 0));
      expect(new Set(peers.map(({ slot }) => slot)).size).toBe(peers.length);
      for (let slot = 0; slot < 60; slot++) {
        const owner = peers.find((peer) => peer.slot === slot);
        expect([live.at(slot), live.bits.has(slot)]).toEqual([owner, owner !== undefined]);
      }
      if (peers.length > 0) expect(peers).toContain(live.any(random.next));
    }),
  );
});
