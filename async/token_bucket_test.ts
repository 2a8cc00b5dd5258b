import assert from "node:assert/strict";
import { TokenBucket } from "./token_bucket.ts";

Deno.test("a token bucket admits its burst at once, and no more", () => {
  const bucket = new TokenBucket(3, 0.001);
  assert.deepEqual(Array.from({ length: 5 }, () => bucket.take()), [true, true, true, false, false]);
});

Deno.test("an empty token bucket fills again at its rate", async () => {
  const bucket = new TokenBucket(1, 1_000);
  assert.ok(bucket.take());
  while (!bucket.take()) await new Promise((resolve) => setTimeout(resolve, 1));
});
