import assert from "node:assert/strict";
import fc from "fast-check";
import { backoff } from "./backoff.ts";

Deno.test("a waiting time doubles with each failure up to the longest, and is at least half of that", () => {
  const ms = fc.integer({ min: 1, max: 100_000 });
  fc.assert(fc.property(ms, ms, fc.nat({ max: 2_000 }), (firstMs, maxMs, failures) => {
    const whole = Math.min(firstMs * 2 ** Math.min(failures, 30), maxMs);
    const waits = backoff({ firstMs, maxMs }, failures);
    assert.ok(waits >= whole / 2 && waits <= whole, `${waits} of ${whole}`);
  }));
});

Deno.test("two clients that fail together don't wait equally long", () => {
  const waits = new Set(Array.from({ length: 20 }, () => backoff({ firstMs: 1_000, maxMs: 1_000 }, 0)));
  assert.ok(waits.size > 1);
});
