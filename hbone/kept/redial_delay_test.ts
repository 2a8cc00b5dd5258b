import assert from "node:assert/strict";
import { RedialDelay } from "./redial_delay.ts";

async function waited(delay: RedialDelay): Promise<number> {
  const start = performance.now();
  await delay.wait(new AbortController().signal);
  return performance.now() - start;
}

Deno.test("there is no pause without failures, a longer one with each, and none after a success", async () => {
  const delay = new RedialDelay({ firstMs: 20, maxMs: 10_000 });
  assert.ok(await waited(delay) < 10);
  delay.failed();
  assert.ok(await waited(delay) >= 9, "half of the first pause at least");
  for (let i = 0; i < 3; i++) delay.failed();
  assert.equal(delay.failures, 4);
  assert.ok(await waited(delay) >= 79, "half of eight times the first pause at least");
  delay.succeeded();
  assert.ok(await waited(delay) < 10);
});

Deno.test("the signal ends a pause", async () => {
  const delay = new RedialDelay({ firstMs: 60_000, maxMs: 60_000 });
  delay.failed();
  await delay.wait(AbortSignal.timeout(5));
});
