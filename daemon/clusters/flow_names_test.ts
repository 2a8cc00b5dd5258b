import assert from "node:assert/strict";
import { parsePod, parseService } from "../../kube/objects/objects.ts";
import type { Flow } from "../../wire/flow.ts";
import { flowNames } from "./flow_names.ts";

const meta = (name: string) => ({ metadata: { namespace: "default", name, uid: name } });
const pod = (name: string, podIP: string, spec: object = {}) =>
  parsePod({ ...meta(name), spec, status: { phase: "Running", podIP, podIPs: [{ ip: podIP }] } });
const topology = {
  services: new Map([[
    "default/echo",
    parseService({
      ...meta("echo"),
      spec: { clusterIP: "10.96.0.7", clusterIPs: ["10.96.0.7", "fd00:0::7"], ports: [] },
    }),
  ]]),
  pods: new Map([
    ["default/echo-1", pod("echo-1", "10.244.0.5")],
    ["default/agent", pod("agent", "172.30.0.1", { hostNetwork: true })],
  ]),
};

const flowTo = (to: string): Flow => ({
  id: "k3v9t0aq-1f",
  kind: "captured",
  protocol: "tcp",
  from: "198.18.255.254:41234",
  to,
  cluster: "dev",
  started: "2026-01-01T00:00:00.000Z",
  sent: 0,
  received: 0,
  outcome: { kind: "open" },
});

Deno.test("a flow to a Service, or to a pod, is named by it; others stay as they are", () => {
  const named = flowNames(topology);
  const nameOf = (to: string) => named(flowTo(to)).name;
  assert.equal(nameOf("10.96.0.7:80"), "echo.default.svc:80");
  assert.equal(nameOf("[fd00::7]:80"), "echo.default.svc:80");
  assert.equal(nameOf("10.244.0.5:8080"), "pod/echo-1.default:8080");
  for (const to of ["172.30.0.1:80", "10.96.0.8:80", "unknown"]) {
    assert.deepEqual(named(flowTo(to)), flowTo(to));
  }
});
