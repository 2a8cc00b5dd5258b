import assert from "node:assert/strict";
import { FAILED_FLOWS_KEPT } from "../wire/flow.ts";
import { joinedFailures } from "./joined_failures.ts";
import { failedFlow } from "./testing/flows.ts";

Deno.test("a program whose connections fail in several workers is one flow", () => {
  const [one, ...more] = joinedFailures([
    { failed: [{ ...failedFlow("a-1"), times: 1_500 }], refused: [] },
    { failed: [{ ...failedFlow("b-1"), times: 1_499 }], refused: [] },
    { failed: [failedFlow("c-1")], refused: [] },
  ]);
  assert.deepEqual(one, { ...failedFlow("a-1"), times: 3_000 });
  assert.deepEqual(more, []);
});

Deno.test("what the kernel refused stays, however many other flows failed later", () => {
  const later = { started: "2026-01-01T00:00:09.000Z" };
  const failed = (worker: string) =>
    Array.from(
      { length: FAILED_FLOWS_KEPT },
      (_, i) => ({ ...failedFlow(`${worker}-${i}`), ...later, to: `10.96.0.${worker}:${i}` }),
    );
  const refused = [failedFlow("refused")];
  const joined = joinedFailures([{ failed: failed("7"), refused }, { failed: failed("8"), refused: [] }]);
  assert.equal(joined.length, FAILED_FLOWS_KEPT + 1);
  assert.ok(joined.some(({ id }) => id === "refused"));
});
