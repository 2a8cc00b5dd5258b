import assert from "node:assert/strict";
import { parseDone } from "./program.ts";

Deno.test("what scale prints is read", () => {
  const line = '{"writes":500,"retried":2,"seconds":9.5}\n';
  assert.deepEqual(parseDone(line), { writes: 500, retried: 2, seconds: 9.5 });
});

Deno.test("a line of scale without what it must have is an error that shows it", () => {
  assert.throws(() => parseDone('{"writes":500}'), /scale said: \{"writes":500\}/);
  assert.throws(() => parseDone("null"), /scale said: null/);
});
