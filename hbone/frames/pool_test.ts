import assert from "node:assert/strict";
import { BufferPool, LARGEST, Segment, SMALLEST } from "./pool.ts";

Deno.test("a pool gives a buffer again once it has it back", () => {
  const pool = new BufferPool();
  const first = pool.take(10_000);
  assert.equal(first.length, 16 * 1024);
  assert.notEqual(pool.take(10_000), first);
  pool.give(first);
  assert.equal(pool.take(16 * 1024), first);
  assert.equal(pool.take(1).length, SMALLEST);
  assert.equal(pool.take(LARGEST + 1).length, LARGEST + 1);
});

Deno.test("a segment goes back when the last one lets go", () => {
  const pool = new BufferPool();
  let freed = 0;
  const segment = new Segment(pool, SMALLEST, () => freed++);
  assert.equal(segment.alone, true);
  segment.hold();
  assert.equal(segment.alone, false);
  segment.release();
  assert.equal(freed, 0);
  segment.release();
  assert.equal(freed, 1);
  assert.equal(pool.take(SMALLEST), segment.bytes);
});
