import assert from "node:assert/strict";
import { jsonLog } from "./log.ts";

/** What one line of the log holds besides its time. */
function lineOf(fields: Record<string, unknown>): Record<string, unknown> {
  const lines: string[] = [];
  jsonLog((line) => lines.push(line), "relay")("warn", "it failed", fields);
  const { time, ...rest } = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
  assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
  return rest;
}

Deno.test("a line is JSON with a level, the component, the message and its fields", () => {
  assert.deepEqual(lineOf({ flow: "a-1", ms: 3 }), {
    level: "warn",
    component: "relay",
    message: "it failed",
    flow: "a-1",
    ms: 3,
  });
});

Deno.test("an error is written with its causes, even where they are a ring", () => {
  const error = new Error("outer", { cause: new TypeError("inner") });
  assert.equal(lineOf({ error }).error, "outer: inner");
  const ring = new Error("round");
  ring.cause = ring;
  assert.match(String(lineOf({ error: ring }).error), /^round(: round){7}$/);
});

Deno.test("a long text is cut", () => {
  assert.equal(String(lineOf({ details: "x".repeat(5_000) }).details).length, 1_003);
  assert.equal(String(lineOf({ error: new Error("x".repeat(5_000)) }).error).length, 1_003);
});
