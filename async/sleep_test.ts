import assert from "node:assert/strict";
import { sleep } from "./sleep.ts";
import { FakeClock } from "./testing/fake_clock.ts";

Deno.test("a sleep lasts as long as it was asked to", async () => {
  const clock = new FakeClock();
  let awake = false;
  const sleeping = sleep(1_000, undefined, clock).then(() => awake = true);
  await clock.advance(999);
  assert.equal(awake, false);
  await clock.advance(1);
  await sleeping;
});

Deno.test("an abort ends a sleep without an error, and leaves no timer", async () => {
  const clock = new FakeClock(), stop = new AbortController();
  const sleeping = sleep(1_000, stop.signal, clock);
  stop.abort(new Error("enough"));
  await sleeping;
  await sleep(1_000, stop.signal, clock);
  assert.equal(clock.pending, 0);
});
