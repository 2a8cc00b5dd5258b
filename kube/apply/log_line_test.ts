import assert from "node:assert/strict";
import fc from "fast-check";
import { formatLogLine } from "./log_line.ts";

Deno.test("a JSON line is its message and error", () => {
  const line = { time: "2026-01-01T00:00:00Z", level: "error", message: "failed", error: "can't list nodes" };
  assert.equal(formatLogLine(JSON.stringify(line)), "failed: can't list nodes");
  assert.equal(formatLogLine('{"message":"stopped"}'), "stopped");
});

Deno.test("any other line stays as it is", () => {
  for (const line of ["", "panic: no config", "{", "{}", '{"message":5}', "[1]"]) {
    assert.equal(formatLogLine(line), line);
  }
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (line) => typeof formatLogLine(line) === "string"));
});
