import assert from "node:assert/strict";
import { pollUntil } from "./poll_until.ts";
import { FakeClock } from "./testing/fake_clock.ts";

Deno.test("a condition that holds already isn't waited for", async () => {
  const clock = new FakeClock();
  assert.equal(await pollUntil(() => "there", { clock }), "there");
  assert.equal(clock.now(), 0);
});

Deno.test("a condition is asked every so often until it holds, and its value is passed on", async () => {
  const clock = new FakeClock();
  const asked: number[] = [];
  const polling = pollUntil(() => {
    asked.push(clock.now());
    return Promise.resolve(asked.length === 4 ? 0 : undefined); // 0 is a value, not a "no"
  }, { everyMs: 50, clock });
  await clock.advance(1_000);
  assert.equal(await polling, 0);
  assert.deepEqual(asked, [0, 50, 100, 150]);
});

Deno.test("when the time is up the condition is asked a last time", async () => {
  const clock = new FakeClock();
  const asked: number[] = [];
  const ask = () => void asked.push(clock.now());
  const polling = pollUntil(ask, { everyMs: 40, timeoutMs: 100, clock });
  await clock.advance(1_000);
  assert.equal(await polling, undefined);
  assert.deepEqual(asked, [0, 40, 80, 100]);
});

Deno.test("a condition that takes longer than the time limit is asked once more", async () => {
  const clock = new FakeClock();
  let asked = 0;
  const slow = async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.after(500, resolve);
    await promise;
    return ++asked === 2;
  };
  const polling = pollUntil(slow, { timeoutMs: 100, clock });
  await clock.advance(2_000);
  assert.equal(await polling, true);
});

Deno.test("an abort ends the polling, and what the condition throws is passed on", async () => {
  const clock = new FakeClock(), stop = new AbortController();
  const polling = pollUntil(() => false, { signal: stop.signal, clock });
  stop.abort();
  assert.equal(await polling, undefined);
  assert.equal(clock.pending, 0);
  await assert.rejects(pollUntil(() => Promise.reject(new Error("failed")), { clock }), /failed/);
});
