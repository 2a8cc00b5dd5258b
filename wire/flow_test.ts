import assert from "node:assert/strict";
import fc from "fast-check";
import { type Flow, flowIds, formatFlow, parseFlowId } from "./flow.ts";

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

const flow: Flow = {
  id: "k3v9t0aq-1f",
  kind: "captured",
  protocol: "tcp",
  from: "198.18.255.254:41234",
  to: "10.96.12.7:8080",
  cluster: "dev",
  started: "2026-01-01T12:00:00Z",
  sent: 0,
  received: 0,
  outcome: { kind: "refused", by: "gateway", error: "destination_unavailable", details: "no ready endpoint" },
};
const program = { pid: 4312, name: "node" };

Deno.test("a flow in words says who opened it, where it goes, and why it failed", () => {
  assert.equal(
    formatFlow({ ...flow, program, name: "payments.default.svc:8080" }),
    "node (4312) -> payments.default.svc:8080: refused by the gateway: no ready endpoint",
  );
  assert.equal(
    formatFlow({ ...flow, outcome: { kind: "no-tunnel", details: "the API server can't be reached" } }),
    "198.18.255.254:41234 -> 10.96.12.7:8080: no tunnel: the API server can't be reached",
  );
  assert.equal(
    formatFlow({ ...flow, protocol: "udp", name: "kube-dns.kube-system.svc:53", outcome: { kind: "open" } }),
    "198.18.255.254:41234 -> kube-dns.kube-system.svc:53/udp: open",
  );
  const outcome = {
    kind: "refused",
    by: "laptop",
    error: "destination_not_found",
    details: "the Service has no port 81",
  } as const;
  assert.equal(
    formatFlow({ ...flow, program: { name: "curl" }, outcome, times: 250 }),
    "curl -> 10.96.12.7:8080: refused: the Service has no port 81 (250 times)",
  );
});

Deno.test("the program of an intercepted flow is the one that answers", () => {
  const intercepted = {
    ...flow,
    kind: "intercepted",
    from: "10.244.1.7:51234",
    intercept: "echo.default:80",
  } as const;
  const outcome = { kind: "reset", by: "server", details: "the program reset the connection" } as const;
  assert.equal(
    formatFlow({ ...intercepted, program, outcome }),
    "10.244.1.7:51234 -> echo.default:80 -> node (4312): reset by the server: the program reset the connection",
  );
});
