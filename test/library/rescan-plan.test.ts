import { expect, test } from "bun:test";
import { RescanPlan } from "../../src/library/rescan-plan.ts";

function watchingPlan(): RescanPlan {
  const plan = new RescanPlan(10_000);
  plan.onScanned(0);
  plan.onWatching(true);
  return plan;
}

test("without a watcher everything is walked periodically", () => {
  const plan = new RescanPlan(10_000);
  plan.onScanned(500);
  expect(plan.nextWakeup()).toBe(10_500);
  expect(plan.take(10_499)).toBeUndefined();
  expect(plan.take(10_500)).toBe("everything");
  expect(plan.take(10_501)).toBeUndefined();
  plan.onScanned(11_000);
  expect(plan.nextWakeup()).toBe(21_000);
});

test("folders that appeared are walked again once it is calm", () => {
  const plan = watchingPlan();
  plan.onFolder("new", 100);
  plan.onFolder("new/deeper", 900);
  plan.onHint(1500);
  expect(plan.nextWakeup()).toBe(2500);
  expect(plan.take(2499)).toBeUndefined();
  expect(plan.take(2500)).toEqual(["new", "new/deeper"]);
  expect(plan.take(9000)).toBeUndefined();
});

test("a few changed files are no reason to walk anything", () => {
  const plan = watchingPlan();
  for (let nowMs = 0; nowMs < 100; nowMs++) plan.onHint(nowMs);
  expect(plan.take(1099)).toBeUndefined();
  expect(plan.nextWakeup()).toBe(300_000);
});

test("after a storm everything is walked", () => {
  const plan = watchingPlan();
  for (let i = 0; i < 2000; i++) plan.onHint(i / 10);
  expect(plan.take(1300)).toBe("everything");
});

test("a burst that never calms down is interrupted", () => {
  const plan = watchingPlan();
  plan.onFolder("new", 0);
  for (let nowMs = 0; nowMs < 10_000; nowMs += 500) {
    plan.onHint(nowMs);
    expect(plan.take(nowMs)).toBeUndefined();
  }
  expect(plan.take(10_000)).toEqual(["new"]);
});

test("a watcher that hears nothing is not believed for ever", () => {
  const plan = watchingPlan();
  expect(plan.take(299_999)).toBeUndefined();
  expect(plan.take(300_000)).toBe("everything");
});

test("what is watched again after it was not is walked once more", () => {
  const plan = watchingPlan();
  plan.onWatching(false);
  expect(plan.take(10_000)).toBe("everything");
  plan.onScanned(10_100);
  plan.onWatching(true);
  plan.onScanned(10_500);
  expect(plan.nextWakeup()).toBe(20_500);
  expect(plan.take(20_500)).toBe("everything");
  plan.onScanned(20_600);
  expect(plan.nextWakeup()).toBe(320_600);
});
