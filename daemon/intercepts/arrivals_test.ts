import assert from "node:assert/strict";
import { parseEndpointSlice, parsePod, parseService } from "../../kube/objects/objects.ts";
import type { Topology } from "../discovery/topology.ts";
import { arrivals } from "./arrivals.ts";

interface Given {
  /** By the pod's name: whether it is ready, why not, and that it has no address yet. */
  readonly pods: Readonly<Record<string, "ready" | "pending" | string>>;
  readonly publishNotReady?: boolean;
  /** Conditions of the Service's endpoints. */
  readonly endpoints?: readonly object[];
  /** Whether pods of the namespace can be seen at all. */
  readonly hidden?: boolean;
}

/** What is said of an intercept of the Service web with these pods. */
function said({ pods, publishNotReady = false, endpoints = [], hidden = false }: Given): string | undefined {
  const meta = (name: string, labels: object = {}) => ({
    namespace: "shop",
    name,
    uid: `uid-${name}`,
    labels,
  });
  const service = parseService({
    metadata: meta("web"),
    spec: {
      selector: { app: "web" },
      ports: [{ name: "http", port: 80 }],
      publishNotReadyAddresses: publishNotReady,
    },
  });
  const podOf = (name: string, state: string) =>
    parsePod({
      metadata: meta(name, { app: "web" }),
      spec: { nodeName: "a", containers: [] },
      status: {
        phase: state === "pending" ? "Pending" : "Running",
        ...(state === "pending" ? {} : { podIP: "10.244.0.5" }),
        conditions: [{ type: "Ready", status: state === "ready" ? "True" : "False" }],
        containerStatuses: state === "unready" ? [] : [{
          name: "c",
          state: { waiting: { reason: state === "pending" ? "ContainerCreating" : state } },
        }],
      },
    });
  const slice = parseEndpointSlice({
    metadata: meta("web-1", { "kubernetes.io/service-name": "web" }),
    addressType: "IPv4",
    ports: [{ name: "http", port: 80 }],
    endpoints: endpoints.map((conditions) => ({ addresses: ["10.244.0.5"], conditions })),
  });
  const other = parsePod({ metadata: meta("other"), spec: { containers: [] }, status: { phase: "Running" } });
  const topology: Topology = {
    services: new Map([["shop/web", service]]),
    slices: new Map([["shop/web-1", slice]]),
    pods: new Map(
      [...hidden ? [] : [other], ...Object.entries(pods).map(([name, state]) => podOf(name, state))]
        .map((pod) => [`shop/${pod.name}`, pod]),
    ),
  };
  const [port] = service.ports;
  assert.ok(port);
  return arrivals(topology, { service, port });
}

Deno.test("where all pods are ready, there is nothing to say", () => {
  assert.equal(said({ pods: { a: "ready", b: "ready" } }), undefined);
});

Deno.test("pods that crash or aren't ready are named with Kubernetes' reason, and who arrives all the same", () => {
  assert.match(
    said({ pods: { a: "CrashLoopBackOff", b: "unready" } }) ?? "",
    /^none of its pods is ready \(a: CrashLoopBackOff, b: not ready\).*only connections to a pod's own address/,
  );
  assert.equal(
    said({ pods: { a: "ready", b: "CrashLoopBackOff" } }),
    "1 of its 2 pods isn't ready (b: CrashLoopBackOff): callers arrive by the others",
  );
});

Deno.test("of many pods a few are named", () => {
  const pods = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`p${i}`, "unready"]));
  assert.match(said({ pods }) ?? "", /\(p0: not ready, p1: not ready, p2: not ready, 47 more\)/);
});

Deno.test("a Service without pods, or whose pods don't run yet, gets nothing until one does", () => {
  assert.equal(said({ pods: {} }), "the Service has no pods: nothing arrives until one runs");
  assert.equal(
    said({ pods: { a: "pending" } }),
    "none of its pods runs yet (a: ContainerCreating): nothing arrives until one does",
  );
});

Deno.test("a Service that publishes pods that aren't ready leads callers to them", () => {
  assert.equal(said({ pods: { a: "unready" }, publishNotReady: true }), undefined);
});

Deno.test("pods that are being deleted and still serve are led to, where no other is ready", () => {
  const terminating = { ready: false, serving: true, terminating: true };
  assert.equal(said({ pods: { a: "unready" }, endpoints: [terminating] }), undefined);
  assert.notEqual(
    said({ pods: { a: "unready" }, endpoints: [{ ...terminating, serving: false }] }),
    undefined,
  );
});

Deno.test("where pods can't be seen, endpoints say it", () => {
  const [ready, unready] = [{ ready: true }, { ready: false, serving: false }];
  assert.equal(said({ pods: {}, hidden: true, endpoints: [ready, unready] }), undefined);
  assert.match(
    said({ pods: {}, hidden: true, endpoints: [unready, unready] }) ?? "",
    /^none of its 2 endpoints is ready/,
  );
  assert.equal(said({ pods: {}, hidden: true }), "the Service has no pods: nothing arrives until one runs");
  assert.equal(said({ pods: {}, hidden: true, endpoints: [unready], publishNotReady: true }), undefined);
});
