import assert from "node:assert/strict";
import type { Flow, Outcome } from "../../wire/flow.ts";
import { logFailedFlow } from "./failed_flow.ts";
import type { LogFields } from "./log.ts";

function logged(outcome: Outcome, more: Partial<Flow> = {}, omitted = 0): [string, string, LogFields][] {
  const lines: [string, string, LogFields][] = [];
  const flow: Flow = {
    id: "k3v9t0aq-1f",
    kind: "captured",
    protocol: "tcp",
    from: "198.18.255.254:41234",
    to: "10.96.0.7:80",
    cluster: "dev",
    started: "2026-01-01T00:00:00.000Z",
    ms: 3,
    sent: 0,
    received: 0,
    outcome,
    ...more,
  };
  logFailedFlow((level, message, fields = {}) => lines.push([level, message, fields]), flow, omitted);
  return lines;
}

Deno.test("a failed flow is a line with its id, its ends, its outcome and the details", () => {
  const outcome: Outcome = {
    kind: "refused",
    by: "gateway",
    error: "destination_unavailable",
    details: "no ready endpoint",
  };
  const more = { name: "echo.default.svc:80", program: { pid: 4312, name: "node" } };
  assert.deepEqual(logged(outcome, more, 7), [["warn", "a flow failed", {
    flow: "k3v9t0aq-1f",
    from: "node (4312)",
    to: "echo.default.svc:80, 10.96.0.7:80",
    cluster: "dev",
    outcome: "refused by gateway",
    details: "no ready endpoint",
    ms: 3,
    omitted: 7,
  }]]);
});

Deno.test("a flow that its client reset is no warning", () => {
  const [line] = logged({ kind: "reset", by: "client", details: "Connection reset by peer" });
  assert.deepEqual(line?.[0], "info");
  assert.deepEqual(line?.[2].outcome, "reset by client");
});

Deno.test("a flow without a tunnel says so", () => {
  const [line] = logged({ kind: "no-tunnel", details: "the tunnel was not there within 15 s" });
  assert.deepEqual([line?.[0], line?.[2].outcome], ["warn", "no-tunnel"]);
});
