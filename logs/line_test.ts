import assert from "node:assert/strict";
import fc from "fast-check";
import { parseLine } from "./line.ts";
import { leavingOut } from "./secrets.ts";

const leaveOut = leavingOut(["canary-of-the-kubeconfig"]);
const time = "2026-01-01T12:00:00.000Z";
const read = (line: object | string, receivedAt?: string) =>
  parseLine(
    typeof line === "string" ? line : JSON.stringify(line),
    { source: "relay", pod: "node-agent-1", ...(receivedAt === undefined ? {} : { receivedAt }) },
    leaveOut,
  );

Deno.test("a line has its time, level, message and what it is about; nothing else of it is kept", () => {
  const line = {
    time,
    level: "warn",
    message: "it failed",
    flow: "a-1",
    ms: 3,
    authorization: "canary",
    headers: {},
  };
  assert.deepEqual(read(line), {
    time,
    source: "relay",
    pod: "node-agent-1",
    level: "warn",
    message: "it failed",
    fields: { flow: "a-1", ms: 3 },
  });
});

Deno.test("secrets are left out of the message and of each field", () => {
  const canary = "canary-of-the-kubeconfig";
  const line = read({ time, level: "info", message: `at ${canary}`, error: `x ${canary}`, ranges: [canary] });
  assert.doesNotMatch(JSON.stringify(line), /canary/);
});

Deno.test("what a process says as it crashes is a line where it is known when it came", () => {
  assert.equal(read("thread 'main' panicked"), undefined);
  const line = read("thread 'main' panicked, token=canary", time);
  assert.deepEqual([line?.level, line?.message], ["error", "thread 'main' panicked, token=[left out]"]);
});

Deno.test("whatever a log holds, a line is nothing or has a time that can be compared", () => {
  fc.assert(fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), (text) => {
    const line = read(text);
    assert.ok(line === undefined || new Date(line.time).toISOString() === line.time);
  }));
});
