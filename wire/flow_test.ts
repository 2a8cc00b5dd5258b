import assert from "node:assert/strict";
import fc from "fast-check";
import { flowIds, parseFlowId } from "./flow.ts";

Deno.test("flow ids of one process differ, and are read as they were written", () => {
  const next = flowIds();
  const ids = Array.from({ length: 1_000 }, next);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.equal(parseFlowId(id), id);
});

Deno.test("flow ids of two processes differ", () => {
  assert.notEqual(flowIds()(), flowIds()());
});

Deno.test("only a short text of letters and digits is taken for a flow id", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    const id = parseFlowId(text);
    assert.ok(id === undefined || id === text && id.length <= 28 && !/[^a-z0-9-]/.test(id));
  }));
  assert.equal(parseFlowId(undefined), undefined);
});
