import assert from "node:assert/strict";
import { parseEndpointSlice, parsePod, parseService } from "../../kube/objects/objects.ts";
import { capturedAddresses, readiness, type Topology } from "./topology.ts";

const meta = (name: string, more: object = {}) => ({
  metadata: { namespace: "default", name, uid: `uid-${name}`, ...more },
});
const service = (name: string, spec: object) => parseService({ ...meta(name), spec });
const pod = (name: string, spec: object, status: object) => parsePod({ ...meta(name), spec, status });
const slice = (name: string, of: string, ports: object[], endpoints: object[]) =>
  parseEndpointSlice({
    ...meta(name, { labels: { "kubernetes.io/service-name": of } }),
    addressType: "IPv4",
    ports,
    endpoints,
  });

const echo = service("echo", {
  clusterIP: "10.96.0.7",
  clusterIPs: ["10.96.0.7"],
  ports: [{ name: "http", port: 80, targetPort: "web" }, { name: "udp", port: 90, protocol: "UDP" }, {
    name: "s",
    port: 91,
    protocol: "SCTP",
  }],
});
const ready = slice("echo-1", "echo", [{ name: "http", port: 8080 }], [{
  addresses: ["10.244.0.5"],
  conditions: { ready: true },
}]);

function topology(more: Partial<Topology> = {}): Topology {
  return {
    services: new Map([["default/echo", echo]]),
    pods: new Map(),
    slices: new Map([["default/echo-1", ready]]),
    ...more,
  };
}

Deno.test("a Service's port is served when a ready endpoint serves it", () => {
  assert.deepEqual(capturedAddresses(topology()).get("10.96.0.7"), [
    { protocol: "tcp", port: 80, served: true },
    { protocol: "udp", port: 90, served: false },
  ]);
});

Deno.test("a Service without a ready endpoint serves nothing", () => {
  const waiting = slice("echo-1", "echo", [{ name: "http", port: 8080 }], [{
    addresses: ["10.244.0.5"],
    conditions: { ready: false },
  }]);
  const ports = capturedAddresses(topology({ slices: new Map([["default/echo-1", waiting]]) })).get(
    "10.96.0.7",
  );
  assert.ok(Array.isArray(ports) && ports.every((port) => !port.served));
});

Deno.test("where slices can't be seen every port counts as served", () => {
  const { slices: _, ...blind } = topology();
  const ports = capturedAddresses(blind).get("10.96.0.7");
  assert.ok(Array.isArray(ports) && ports.every((port) => port.served));
});

Deno.test("a pod takes any port; a pod on its node's network, or one that's over, is not captured", () => {
  const pods = new Map([
    ["default/a", pod("a", {}, { phase: "Running", podIPs: [{ ip: "10.244.0.5" }] })],
    ["default/b", pod("b", { hostNetwork: true }, { phase: "Running", podIPs: [{ ip: "10.77.1.1" }] })],
    ["default/c", pod("c", {}, { phase: "Succeeded", podIPs: [{ ip: "10.244.0.6" }] })],
  ]);
  const captured = capturedAddresses(topology({ pods }));
  assert.equal(captured.get("10.244.0.5"), "any");
  assert.deepEqual([...captured.keys()].sort(), ["10.244.0.5", "10.96.0.7"]);
});

Deno.test("headless Services, external names and external addresses give nothing to capture", () => {
  const services = new Map([
    ["default/h", service("h", { clusterIP: "None", clusterIPs: ["None"], ports: [{ port: 80 }] })],
    ["default/x", service("x", { type: "ExternalName", externalName: "example.com" })],
    ["default/e", service("e", { clusterIP: "10.96.0.8", externalIPs: ["8.8.8.8"], ports: [{ port: 53 }] })],
  ]);
  assert.deepEqual([...capturedAddresses(topology({ services })).keys()], ["10.96.0.8"]);
});

Deno.test("the two slices of a dual-stack Service don't count its pods twice", () => {
  const other = slice("echo-2", "echo", [{ name: "http", port: 8080 }], [{
    addresses: ["10.244.0.5"],
    conditions: { ready: true },
  }]);
  assert.equal(readiness(new Map([["a", ready], ["b", other]]))("default/echo").endpoints, 1);
});
