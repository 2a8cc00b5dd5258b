import assert from "node:assert/strict";
import { FakeClock } from "./testing/fake_clock.ts";
import { TimeLimit } from "./time_limit.ts";

Deno.test("the signal aborts when the time is up, and not before", async () => {
  const clock = new FakeClock();
  using limit = new TimeLimit(2_000, undefined, clock);
  await clock.advance(1_999);
  assert.equal(limit.signal.aborted, false);
  await clock.advance(1);
  assert.equal(limit.signal.reason.name, "TimeoutError");
  assert.equal(limit.signal.reason.message, "no answer within 2 s");
});

Deno.test("time while the clock is stopped doesn't count, however often it's stopped", async () => {
  const clock = new FakeClock();
  using limit = new TimeLimit(1_000, undefined, clock);
  await clock.advance(400);
  limit.stop();
  limit.stop();
  await clock.advance(60_000);
  limit.resume();
  limit.resume();
  await clock.advance(599);
  assert.equal(limit.signal.aborted, false);
  await clock.advance(1);
  assert.equal(limit.signal.aborted, true);
});

Deno.test("an outer signal counts while the clock is stopped", () => {
  const outer = new AbortController();
  using limit = new TimeLimit(1_000, outer.signal, new FakeClock());
  limit.stop();
  outer.abort("over");
  assert.equal(limit.signal.reason, "over");
});

Deno.test("a disposed limit never aborts and leaves no timer", async () => {
  const clock = new FakeClock(), outer = new AbortController();
  const limit = new TimeLimit(1_000, outer.signal, clock);
  limit[Symbol.dispose]();
  outer.abort();
  await clock.advance(2_000);
  assert.equal(limit.signal.aborted, false);
  assert.equal(clock.pending, 0);
});
