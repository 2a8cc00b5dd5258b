import assert from "node:assert/strict";
import type { Pod } from "./objects.ts";
import { isTerminating, mayRun, podPort, selects } from "./selectors.ts";

const pod: Pod = {
  namespace: "default",
  name: "echo-1",
  uid: "u-1",
  podIPs: [],
  hostNetwork: false,
  labels: { app: "echo", tier: "web" },
  phase: "Running",
  ready: true,
  owners: [],
  containerPorts: [
    { container: "echo", name: "web", port: 8080, protocol: "TCP" },
    { container: "echo", name: "web", port: 8443, protocol: "UDP" },
  ],
};

Deno.test("a selector selects pods that have all of its labels, and an empty one selects none", () => {
  assert.equal(selects({ app: "echo" }, pod), true);
  assert.equal(selects({ app: "echo", tier: "web" }, pod), true);
  assert.equal(selects({ app: "echo", tier: "db" }, pod), false);
  assert.equal(selects({ app: "echo", zone: "a" }, pod), false);
  assert.equal(selects({}, pod), false);
  assert.equal(selects({ toString: String({}.toString) }, pod), false); // an inherited property isn't a label
});

Deno.test("a Service's port is the pod's port of that number, or of that name and protocol", () => {
  const port = { name: "http", port: 80, targetPort: 8080, protocol: "TCP" } as const;
  assert.equal(podPort(pod, port), 8080);
  assert.equal(podPort(pod, { ...port, targetPort: "web" }), 8080);
  assert.equal(podPort(pod, { ...port, targetPort: "web", protocol: "UDP" }), 8443);
  assert.equal(podPort(pod, { ...port, targetPort: "other" }), undefined);
});

Deno.test("a pod may run until its phase is final, also while it is being deleted", () => {
  assert.equal(mayRun(pod), true);
  assert.equal(mayRun({ ...pod, phase: "Succeeded" }), false);
  assert.equal(mayRun({ ...pod, phase: "Failed" }), false);
  const deleted = { ...pod, deletionTimestamp: "2026-11-30T10:00:00Z" };
  assert.deepEqual([isTerminating(pod), isTerminating(deleted), mayRun(deleted)], [false, true, true]);
});
