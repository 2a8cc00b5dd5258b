import assert from "node:assert/strict";
import type { Service } from "../../kube/objects/objects.ts";
import type { Flow } from "../../wire/flow.ts";
import { FlowNames } from "./flow_names.ts";

const flow: Flow = {
  id: "a-0",
  kind: "captured",
  protocol: "tcp",
  from: "198.18.255.254:1",
  to: "10.96.0.7:80",
  cluster: "dev",
  started: "2026-01-01T12:00:00Z",
  sent: 0,
  received: 0,
  outcome: { kind: "done" },
};

/** A Service as far as its name goes. */
function service(name: string, ...clusterIPs: string[]): [string, Service] {
  const whole = { name, namespace: "default", uid: name, clusterIPs, ports: [], type: "ClusterIP" };
  return [`default/${name}`, whole as unknown as Service];
}

Deno.test("a flow has the name of the Service whose address was dialled, in either family", () => {
  const services = new Map([service("echo", "10.96.0.7", "fd00:10:96:0::7"), service("headless")]);
  const names = new FlowNames(() => ({ services }));
  assert.equal(names.named(flow).name, "echo.default.svc:80");
  assert.equal(names.named({ ...flow, to: "[fd00:10:96::7]:80" }).name, "echo.default.svc:80");
  assert.equal(names.named({ ...flow, to: "10.96.0.8:80" }).name, undefined);
});

Deno.test("a name that is known already stays, and an intercepted flow has none", () => {
  const names = new FlowNames(() => ({ services: new Map([service("echo", "10.96.0.7")]) }));
  assert.equal(names.named({ ...flow, name: "shop.example:80" }).name, "shop.example:80");
  assert.equal(names.named({ ...flow, kind: "intercepted" }).name, undefined);
});

Deno.test("a Service that came later is known within a second, and of a cluster that left there are no names", () => {
  const services = new Map<string, Service>();
  let [now, there] = [0, true];
  const names = new FlowNames(() => there ? { services } : undefined, () => now);
  assert.equal(names.named(flow).name, undefined);
  services.set(...service("echo", "10.96.0.7"));
  assert.equal(names.named(flow).name, undefined);
  now = 1_000;
  assert.equal(names.named(flow).name, "echo.default.svc:80");
  [there, now] = [false, 2_000];
  names.named(flow);
  assert.equal(names.named(flow).name, undefined);
});
