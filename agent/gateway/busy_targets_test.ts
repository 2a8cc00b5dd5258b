import assert from "node:assert/strict";
import { FakeClock } from "../../async/testing/fake_clock.ts";
import { BusyTargets } from "./busy_targets.ts";

function counted(targets: BusyTargets, target: string, dials: number): boolean[] {
  return Array.from({ length: dials }, () => targets.count(target));
}

Deno.test("a target is busy from so many dials on, and others aren't", () => {
  const targets = new BusyTargets(3, new FakeClock());
  assert.deepEqual(counted(targets, "10.96.0.1:80", 4), [false, false, false, true]);
  assert.deepEqual(counted(targets, "10.96.0.1:81", 1), [false]);
});

Deno.test("a busy target stays busy while it is dialled as often, and is not when it was quiet for a minute", async () => {
  const clock = new FakeClock();
  const targets = new BusyTargets(3, clock);
  counted(targets, "10.96.0.1:80", 4);
  await clock.advance(30_000);
  assert.equal(targets.count("10.96.0.1:80"), true, "the last period counts");
  await clock.advance(30_000);
  assert.equal(targets.count("10.96.0.1:80"), false, "it had one dial in the last period");
  counted(targets, "10.96.0.1:80", 4);
  await clock.advance(60_000);
  assert.equal(targets.count("10.96.0.1:80"), false);
});

Deno.test("of very many targets those that came first are counted", () => {
  const targets = new BusyTargets(1, new FakeClock());
  for (let port = 1; port <= 20_001; port++) targets.count(`10.96.0.1:${port}`);
  assert.equal(targets.count("10.96.0.1:20001"), false);
  assert.equal(targets.count("10.96.0.1:1"), true);
});
