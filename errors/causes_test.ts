import assert from "node:assert/strict";
import { causeChain, formatCauses, formatError } from "./causes.ts";

Deno.test("a chain has the error first, then what caused it, whatever that is", () => {
  const inner = new TypeError("inner", { cause: "a text" });
  const outer = new Error("outer", { cause: inner });
  assert.deepEqual(causeChain(outer), [outer, inner, "a text"]);
  assert.deepEqual(formatCauses(outer), ["TypeError: inner", "a text"]);
  assert.equal(formatError(outer), "Error: outer");
});

Deno.test("nothing has no chain, and an error without a cause has only itself", () => {
  assert.deepEqual([causeChain(undefined), causeChain(null)], [[], []]);
  assert.deepEqual(formatCauses(new Error("alone")), []);
});

Deno.test("a chain ends, even one that is a ring", () => {
  const error = new Error("round");
  error.cause = error;
  assert.equal(causeChain(error).length, 8);
});
