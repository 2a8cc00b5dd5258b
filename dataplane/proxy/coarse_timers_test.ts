import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { CoarseTimers } from "./coarse_timers.ts";

Deno.test("a timer is never early, can be set again and stopped, and calls once", async () => {
  const timers = new CoarseTimers();
  const over: string[] = [];
  using first = timers.add(() => over.push("first"));
  using again = timers.add(() => over.push("again"));
  using stopped = timers.add(() => over.push("stopped"));
  const start = performance.now();
  for (const timer of [first, again, stopped]) timer.start(50);
  again.start(400);
  stopped.stop();
  await until("the first timer has called", () => over.length > 0);
  assert.ok(performance.now() - start >= 50);
  assert.deepEqual(over, ["first"]);
  await until("the second timer has called", () => over.length > 1);
  assert.ok(performance.now() - start >= 400);
  assert.deepEqual(over, ["first", "again"]);
});

Deno.test("timers that are removed leave nothing running, and others can come", async () => {
  const timers = new CoarseTimers();
  timers.add(() => {})[Symbol.dispose]();
  let over = false;
  using timer = timers.add(() => over = true);
  timer.start(0);
  await until("the timer has called", () => over);
});
