import assert from "node:assert/strict";
import { parseEndpointSlice, parseService } from "../../kube/objects/objects.ts";
import { readiness, servedPorts } from "./topology.ts";

const meta = (name: string, more: object = {}) => ({
  metadata: { namespace: "default", name, uid: `uid-${name}`, ...more },
});
const service = (name: string, spec: object) => parseService({ ...meta(name), spec });
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

Deno.test("a Service's port is served when a ready endpoint serves it", () => {
  assert.deepEqual(servedPorts(echo, [ready]), [
    { protocol: "tcp", port: 80, served: true },
    { protocol: "udp", port: 90, served: false },
  ]);
});

Deno.test("a Service without a ready endpoint serves nothing", () => {
  const waiting = slice("echo-1", "echo", [{ name: "http", port: 8080 }], [{
    addresses: ["10.244.0.5"],
    conditions: { ready: false },
  }]);
  assert.ok(servedPorts(echo, [waiting]).every((port) => !port.served));
  assert.ok(servedPorts(echo, []).every((port) => !port.served));
});

Deno.test("where slices can't be seen every port counts as served", () => {
  assert.ok(servedPorts(echo, undefined).every((port) => port.served));
});

Deno.test("an endpoint that terminates and still serves is served, but isn't ready", () => {
  const ending = (serving: boolean) =>
    slice("echo-1", "echo", [{ name: "http", port: 8080 }], [{
      addresses: ["10.244.0.5"],
      conditions: { ready: false, serving, terminating: true },
    }]);
  assert.equal(servedPorts(echo, [ending(true)])[0]?.served, true);
  assert.equal(servedPorts(echo, [ending(false)])[0]?.served, false);
  const { endpoints, ports } = readiness(new Map([["a", ending(true)]]))("default/echo");
  assert.deepEqual([endpoints, [...ports]], [0, ["http"]]);
});

Deno.test("the ready endpoints of all slices of a family are counted, each once", () => {
  const many = (name: string, from: number, count: number) =>
    slice(
      name,
      "echo",
      [{ name: "http", port: 8080 }],
      Array.from({ length: count }, (_, i) => ({ addresses: [`10.244.1.${from + i}`] })),
    );
  const slices = new Map([["a", many("a", 0, 100)], ["b", many("b", 100, 50)], ["c", many("c", 149, 1)]]);
  assert.equal(readiness(slices)("default/echo").endpoints, 150);
});

Deno.test("the two slices of a dual-stack Service don't count its pods twice", () => {
  const other = slice("echo-2", "echo", [{ name: "http", port: 8080 }], [{
    addresses: ["10.244.0.5"],
    conditions: { ready: true },
  }]);
  assert.equal(readiness(new Map([["a", ready], ["b", other]]))("default/echo").endpoints, 1);
});
