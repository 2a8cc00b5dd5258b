import assert from "node:assert/strict";
import { takes } from "./policies.ts";

const pod = { labels: { app: "echo", tier: "web" } };

Deno.test("an empty selector takes every pod, and labels have to be the same", () => {
  assert.ok(takes({}, pod));
  assert.ok(takes({ matchLabels: { app: "echo" } }, pod));
  assert.ok(!takes({ matchLabels: { app: "db" } }, pod));
});

Deno.test("expressions are those of a LabelSelector, and an unknown one may apply", () => {
  const rows = [
    [{ key: "app", operator: "In", values: ["echo"] }, true],
    [{ key: "app", operator: "In", values: ["db"] }, false],
    [{ key: "app", operator: "NotIn", values: ["echo"] }, false],
    [{ key: "zone", operator: "NotIn", values: ["a"] }, true],
    [{ key: "tier", operator: "Exists" }, true],
    [{ key: "zone", operator: "Exists" }, false],
    [{ key: "zone", operator: "DoesNotExist" }, true],
    [{ key: "tier", operator: "DoesNotExist" }, false],
    [{ key: "zone", operator: "Near" }, true],
  ] as const;
  for (const [expression, expected] of rows) {
    assert.equal(takes({ matchExpressions: [expression] }, pod), expected, JSON.stringify(expression));
  }
});
