import assert from "node:assert/strict";
import { FakeClock } from "./testing/fake_clock.ts";
import { settlesWithin, withTimeout } from "./timeout.ts";

const never = new Promise<string>(() => {});

Deno.test("a result in time is passed on, and leaves no timer", async () => {
  const clock = new FakeClock();
  assert.equal(await withTimeout(Promise.resolve(7), 1_000, { clock }), 7);
  await assert.rejects(withTimeout(Promise.reject(new Error("failed")), 1_000, { clock }), /failed/);
  assert.equal(await settlesWithin(Promise.resolve(), 1_000, { clock }), true);
  await assert.rejects(settlesWithin(Promise.reject(new Error("failed")), 1_000, { clock }), /failed/);
  assert.equal(clock.pending, 0);
});

Deno.test("without a result the time limit is told, by an error of the caller's if it has one", async () => {
  const clock = new FakeClock();
  const silent = assert.rejects(withTimeout(never, 1_500, { clock }), {
    name: "TimeoutError",
    message: "no answer within 1.5 s",
  });
  const error = () => new RangeError("the plugin is silent");
  const worded = assert.rejects(withTimeout(never, 1_500, { clock, error }), RangeError);
  const settles = settlesWithin(never, 1_500, { clock });
  await clock.advance(1_500);
  await Promise.all([silent, worded]);
  assert.equal(await settles, false);
});

Deno.test("a rejection that comes too late is ignored", async () => {
  const clock = new FakeClock();
  const { promise, reject } = Promise.withResolvers<void>();
  const late = assert.rejects(withTimeout(promise, 10, { clock }), { name: "TimeoutError" });
  const settles = settlesWithin(promise, 10, { clock });
  await clock.advance(10);
  await late;
  assert.equal(await settles, false);
  reject(new Error("late"));
  await promise.catch(() => {});
});

Deno.test("a wait ends early when there is no more reason for it", async () => {
  const clock = new FakeClock();
  const hurry = Promise.withResolvers<void>();
  const settles = settlesWithin(never, 1_000, { unless: hurry.promise, clock });
  hurry.resolve();
  assert.equal(await settles, false);
  assert.equal(clock.pending, 0);
});
