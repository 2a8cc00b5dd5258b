import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { watchSleep } from "./sleep.ts";

Deno.test("a machine that slept is noticed when it's awake again, once each time", async () => {
  let [slept, woken, looks] = [0, 0, 0];
  const clocks = { wall: () => (looks++, performance.now() + slept), awake: () => performance.now() };
  using _watch = watchSleep(() => void woken++, { clocks, everyMs: 1, leastMs: 5_000 });
  const looked = async () => {
    const before = looks;
    await until("it has looked again", () => looks > before + 3);
  };
  await looked();
  slept += 3_000; // the clock was set a little
  await looked();
  assert.equal(woken, 0);
  slept += 600_000;
  await looked();
  assert.equal(woken, 1);
  slept += 600_000;
  await looked();
  assert.equal(woken, 2);
});
