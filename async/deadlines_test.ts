import assert from "node:assert/strict";
import { Deadlines } from "./deadlines.ts";
import { FakeClock } from "./testing/fake_clock.ts";

Deno.test("each deadline is missed once, when it's due or at the next look", async () => {
  const clock = new FakeClock(), deadlines = new Deadlines(clock);
  const missed: [string, number][] = [];
  const miss = (what: string) => () => missed.push([what, clock.now()]);
  deadlines.add(450, miss("later"));
  deadlines.add(150, miss("sooner"));
  deadlines.add(200, miss("on a look"));
  await clock.advance(2_000);
  assert.deepEqual(missed, [["sooner", 200], ["on a look", 200], ["later", 500]]);
});

Deno.test("a cancelled deadline is never missed, and without deadlines no timer runs", async () => {
  const clock = new FakeClock(), deadlines = new Deadlines(clock);
  const cancel = deadlines.add(1, () => assert.fail("it was cancelled"));
  cancel();
  cancel();
  await clock.advance(150);
  assert.equal(clock.pending, 0);
  let missed = false;
  deadlines.add(1, () => missed = true);
  await clock.advance(100);
  assert.equal(missed, true);
  assert.equal(clock.pending, 0);
});
