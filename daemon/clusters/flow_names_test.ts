import assert from "node:assert/strict";
import { parsePod, parseService } from "../../kube/objects/objects.ts";
import type { Flow } from "../../wire/flow.ts";
import { ClusterIndex } from "../discovery/cluster_index.ts";
import { namedFlow } from "./flow_names.ts";

const meta = (name: string) => ({ metadata: { namespace: "default", name, uid: name } });
const pod = (name: string, podIP: string, spec: object = {}) =>
  parsePod({ ...meta(name), spec, status: { phase: "Running", podIP, podIPs: [{ ip: podIP }] } });
const services = new Map([[
  "default/echo",
  parseService({
    ...meta("echo"),
    spec: { clusterIP: "10.96.0.7", clusterIPs: ["10.96.0.7", "fd00:0::7"], ports: [] },
  }),
]]);
const pods = new Map([
  ["default/echo-1", pod("echo-1", "10.244.0.5")],
  ["default/agent", pod("agent", "172.30.0.1", { hostNetwork: true })],
]);
const index = new ClusterIndex();
index.update({ services, pods }, {
  services: new Set(services.keys()),
  pods: new Set(pods.keys()),
  slices: new Set(),
});

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
  const nameOf = (to: string) => namedFlow(flowTo(to), index).name;
  assert.equal(nameOf("10.96.0.7:80"), "echo.default.svc:80");
  assert.equal(nameOf("[fd00::7]:80"), "echo.default.svc:80");
  assert.equal(nameOf("10.244.0.5:8080"), "pod/echo-1.default:8080");
  for (const to of ["172.30.0.1:80", "10.96.0.8:80", "unknown"]) {
    assert.deepEqual(namedFlow(flowTo(to), index), flowTo(to));
  }
});

Deno.test("a name that is known already stays, and a flow of no connected cluster has none", () => {
  const known = { ...flowTo("10.96.0.7:80"), name: "shop.example:80" };
  assert.equal(namedFlow(known, index).name, "shop.example:80");
  assert.equal(namedFlow(flowTo("10.96.0.7:80"), undefined).name, undefined);
});
