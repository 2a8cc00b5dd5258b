import assert from "node:assert/strict";
import { ofNode, ofPod, ofService } from "./targets.ts";

const metadata = { namespace: "default", name: "x", uid: "x" };

Deno.test("only a Service's clusterIPs are targets: not externalIPs, load balancers or external names", () => {
  const spec = {
    clusterIP: "10.96.0.7",
    clusterIPs: ["10.96.0.7", "fd00::7"],
    externalIPs: ["10.0.0.5"],
    loadBalancerIP: "10.0.0.6",
    type: "LoadBalancer",
  };
  const status = { loadBalancer: { ingress: [{ ip: "10.0.0.7" }] } };
  assert.deepEqual(ofService({ metadata, spec, status }), { target: ["10.96.0.7", "fd00::7"], node: [] });
  const headless = { clusterIP: "None", clusterIPs: ["None"] };
  assert.deepEqual(ofService({ metadata, spec: headless }), { target: [], node: [] });
  const external = { type: "ExternalName", externalName: "example.com" };
  assert.deepEqual(ofService({ metadata, spec: external }), { target: [], node: [] });
});

Deno.test("a pod's addresses are targets, unless they are its node's, or it has ended", () => {
  const status = { phase: "Running", podIP: "10.244.0.7", podIPs: [{ ip: "10.244.0.7" }, { ip: "fd00::7" }] };
  const spec = { containers: [{ name: "app" }] };
  const both = ["10.244.0.7", "fd00::7"];
  assert.deepEqual(ofPod({ metadata, spec, status }), { target: both, node: [] });
  assert.deepEqual(ofPod({ metadata, spec: { ...spec, hostNetwork: true }, status }), {
    target: [],
    node: both,
  });
  for (const phase of ["Succeeded", "Failed"]) {
    assert.deepEqual(ofPod({ metadata, spec, status: { ...status, phase } }), { target: [], node: [] });
  }
  assert.deepEqual(ofPod({ metadata, spec, status: { phase: "Pending" } }), { target: [], node: [] });
});

Deno.test("all addresses of a node count as node addresses", () => {
  const addresses = [
    { type: "InternalIP", address: "10.77.1.1" },
    { type: "ExternalIP", address: "203.0.113.5" },
    { type: "InternalIP", address: "fd00:77::1:1" },
    { type: "Hostname", address: "node-1" },
  ];
  assert.deepEqual(ofNode({ metadata: { name: "node-1", uid: "x" }, status: { addresses } }), {
    target: [],
    node: ["10.77.1.1", "203.0.113.5", "fd00:77::1:1"],
  });
});

Deno.test("an object that can't be parsed throws, so that the watch leaves it out", () => {
  for (const parse of [ofService, ofPod, ofNode]) assert.throws(() => parse({ metadata: {} }));
});
