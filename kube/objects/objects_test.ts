import assert from "node:assert/strict";
import fc from "fast-check";
import { parseEndpointSlice, ParseError, parseNode, parsePod, parseService } from "./objects.ts";

const metadata = { namespace: "default", name: "echo", uid: "u-1" };

Deno.test("a Service is read with its ports, addresses and selector", () => {
  const service = parseService({
    metadata,
    spec: {
      type: "ClusterIP",
      clusterIP: "10.96.1.2",
      clusterIPs: ["10.96.1.2", "fd00::1"],
      selector: { app: "echo" },
      ports: [
        { name: "http", port: 80, targetPort: "web", protocol: "TCP", appProtocol: "kubernetes.io/h2c" },
        { name: "dns", port: 53, targetPort: 5353, protocol: "UDP" },
        { name: "plain", port: 9000 },
        { name: "old", port: 9001, targetPort: 0 },
      ],
    },
  });
  assert.deepEqual(service, {
    namespace: "default",
    name: "echo",
    uid: "u-1",
    type: "ClusterIP",
    clusterIPs: ["10.96.1.2", "fd00::1"],
    headless: false,
    ports: [
      { name: "http", port: 80, targetPort: "web", protocol: "TCP", appProtocol: "kubernetes.io/h2c" },
      { name: "dns", port: 53, targetPort: 5353, protocol: "UDP" },
      { name: "plain", port: 9000, targetPort: 9000, protocol: "TCP" },
      { name: "old", port: 9001, targetPort: 9001, protocol: "TCP" },
    ],
    selector: Object.assign(Object.create(null), { app: "echo" }),
    publishNotReadyAddresses: false,
  });
});

Deno.test("headless and ExternalName Services have no addresses, a Service without selector none", () => {
  const headless = parseService({
    metadata,
    spec: { clusterIP: "None", clusterIPs: ["None"], selector: {} },
  });
  assert.deepEqual([headless.headless, headless.clusterIPs, headless.selector], [true, [], undefined]);
  const external = parseService({ metadata, spec: { type: "ExternalName", externalName: "example.org" } });
  assert.deepEqual([external.externalName, external.clusterIPs, external.headless], [
    "example.org",
    [],
    false,
  ]);
});

Deno.test("an EndpointSlice is read; a condition that isn't there means ready", () => {
  const slice = parseEndpointSlice({
    metadata: { ...metadata, name: "echo-abc", labels: { "kubernetes.io/service-name": "echo" } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }, { port: null }],
    endpoints: [
      {
        addresses: ["10.244.0.3"],
        conditions: {},
        targetRef: { kind: "Pod", namespace: "default", name: "p", uid: "u" },
      },
      {
        addresses: ["10.244.0.4"],
        conditions: { ready: false, serving: true, terminating: true },
        hostname: "peers-0",
      },
      { addresses: ["10.77.1.1"], targetRef: { kind: "Node", name: "node-1" } },
    ],
  });
  assert.equal(slice.service, "echo");
  assert.deepEqual(slice.ports, [{ name: "http", port: 8080, protocol: "TCP" }, {
    name: "",
    protocol: "TCP",
  }]);
  assert.deepEqual(slice.endpoints.map(({ ready, serving, terminating }) => [ready, serving, terminating]), [
    [true, true, false],
    [false, true, true],
    [true, true, false],
  ]);
  assert.deepEqual(slice.endpoints[0]?.pod, { namespace: "default", name: "p", uid: "u" });
  assert.equal(slice.endpoints[1]?.hostname, "peers-0");
  assert.equal(slice.endpoints[2]?.pod, undefined);
});

Deno.test("a pod is read with its addresses, owners and the ports of its containers and sidecars", () => {
  const pod = parsePod({
    metadata: {
      ...metadata,
      labels: { app: "echo" },
      deletionTimestamp: "2026-01-01T00:00:00Z",
      ownerReferences: [{
        apiVersion: "apps/v1",
        kind: "ReplicaSet",
        name: "echo-1",
        uid: "r",
        controller: true,
      }],
    },
    spec: {
      nodeName: "node-1",
      containers: [{
        name: "c",
        ports: [{ name: "web", containerPort: 8080 }, { containerPort: 53, protocol: "UDP" }],
      }],
      initContainers: [
        { name: "once", ports: [{ containerPort: 1 }] },
        { name: "sidecar", restartPolicy: "Always", ports: [{ containerPort: 15_001 }] },
      ],
    },
    status: {
      phase: "Running",
      podIP: "10.244.0.3",
      podIPs: [{ ip: "10.244.0.3" }, { ip: "fd00::3" }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  });
  assert.deepEqual(pod.podIPs, ["10.244.0.3", "fd00::3"]);
  assert.deepEqual([pod.ready, pod.hostNetwork, pod.phase, pod.nodeName], [true, false, "Running", "node-1"]);
  assert.equal(pod.deletionTimestamp, "2026-01-01T00:00:00Z");
  assert.deepEqual(pod.owners, [{ kind: "ReplicaSet", name: "echo-1", uid: "r", controller: true }]);
  assert.deepEqual(pod.containerPorts, [
    { container: "c", name: "web", port: 8080, protocol: "TCP" },
    { container: "c", name: "", port: 53, protocol: "UDP" },
    { container: "sidecar", name: "", port: 15_001, protocol: "TCP" },
  ]);
});

Deno.test("a pod that was only just made has no addresses and isn't ready", () => {
  const pod = parsePod({
    metadata,
    spec: { hostNetwork: true, containers: [{ name: "c" }] },
    status: { phase: "Pending" },
  });
  assert.deepEqual([pod.podIPs, pod.ready, pod.nodeName, pod.hostNetwork], [[], false, undefined, true]);
});

Deno.test("a node's addresses are its addresses, not its names", () => {
  const node = parseNode({
    metadata: { name: "node-1", uid: "n" },
    spec: { podCIDRs: ["10.244.0.0/24"] },
    status: {
      addresses: [
        { type: "InternalIP", address: "10.77.1.1" },
        { type: "Hostname", address: "node-1" },
        { type: "InternalIP", address: "fd00::1" },
      ],
    },
  });
  assert.deepEqual(node, {
    name: "node-1",
    uid: "n",
    addresses: ["10.77.1.1", "fd00::1"],
    podCIDRs: ["10.244.0.0/24"],
  });
});

Deno.test("a value that doesn't match the schema is refused with its path", () => {
  const cases: [(raw: unknown) => unknown, unknown, RegExp][] = [
    [parseService, null, /^the object isn't an object/],
    [
      parseService,
      { metadata: { ...metadata, name: "../../secrets/x" } },
      /^metadata\.name isn't a DNS name/,
    ],
    [
      parseService,
      { metadata, spec: { clusterIP: "not-an-address" } },
      /^spec\.clusterIPs isn't an IP address/,
    ],
    [parseService, { metadata, spec: { clusterIP: "fe80::1%eth0" } }, /isn't an IP address/],
    [
      parseService,
      { metadata, spec: { ports: [{ port: 70_000 }] } },
      /^spec\.ports\[0\]\.port isn't a port number/,
    ],
    [
      parseService,
      { metadata, spec: { ports: Array(5_000).fill({ port: 1 }) } },
      /a list of at most 1000 entries/,
    ],
    [parseService, { metadata, spec: { type: "Surprise" } }, /^spec\.type isn't one of/],
    [parsePod, { metadata, status: { podIPs: [{ ip: "1.2.3.4.5" }] } }, /status\.podIPs isn't an IP address/],
    [
      parseEndpointSlice,
      { metadata, addressType: "IPv4", endpoints: [{ addresses: ["x"] }] },
      /isn't an IP address/,
    ],
    [parseNode, { metadata: { name: "n".repeat(300), uid: "u" } }, /a text of at most 253 characters/],
  ];
  for (const [parse, raw, expected] of cases) {
    assert.throws(() => parse(raw), (error) => error instanceof ParseError && expected.test(error.message));
  }
});

Deno.test("labels named like an object's own properties are labels, and nothing else", () => {
  const pod = parsePod(
    JSON.parse(`{"metadata":{"namespace":"a","name":"b","uid":"c","labels":{"__proto__":"x","app":"y"}}}`),
  );
  assert.equal(Object.getPrototypeOf(pod.labels), null);
  assert.deepEqual(Object.entries(pod.labels), [["__proto__", "x"], ["app", "y"]]);
  assert.equal(pod.labels["constructor"], undefined);
});

/** Shaped like the real thing, with anything in any place. */
function hostile(): fc.Arbitrary<unknown> {
  const anything = fc.anything({ withBigInt: true, withNullPrototype: true, maxDepth: 2 });
  const some = (record: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> =>
    fc.oneof({ weight: 5, arbitrary: fc.record(record, { requiredKeys: [] }) }, {
      weight: 1,
      arbitrary: anything,
    });
  const name = fc.oneof(fc.constant("echo"), anything);
  const port = some({
    name,
    port: fc.oneof(fc.nat(70_000), anything),
    targetPort: anything,
    containerPort: anything,
    protocol: anything,
  });
  const strings = fc.oneof(fc.array(fc.oneof(fc.ipV4(), fc.string(), anything)), anything);
  return some({
    metadata: fc.oneof(
      fc.constant(metadata),
      some({
        name,
        namespace: name,
        uid: name,
        labels: fc.oneof(fc.dictionary(fc.string(), fc.string()), anything),
        ownerReferences: anything,
      }),
    ),
    addressType: fc.oneof(fc.constantFrom("IPv4", "IPv6", "FQDN"), anything),
    ports: fc.oneof(fc.array(port), anything),
    endpoints: fc.oneof(
      fc.array(some({ addresses: strings, conditions: anything, targetRef: anything })),
      anything,
    ),
    spec: some({
      type: fc.oneof(fc.constantFrom("ClusterIP", "ExternalName"), anything),
      clusterIPs: strings,
      clusterIP: anything,
      selector: anything,
      ports: fc.oneof(fc.array(port), anything),
      containers: fc.oneof(fc.array(some({ name, ports: fc.array(port) })), anything),
      initContainers: anything,
      hostNetwork: anything,
    }),
    status: some({
      podIPs: fc.array(some({ ip: anything })),
      conditions: anything,
      addresses: anything,
      phase: anything,
    }),
  });
}

for (const [kind, parse] of Object.entries({ parseService, parseEndpointSlice, parsePod, parseNode })) {
  Deno.test(`${kind} makes of anything an object of its kind or a ParseError, small enough to send`, () => {
    fc.assert(
      fc.property(hostile(), (raw) => {
        try {
          const parsed = parse(raw);
          structuredClone(parsed);
          assert.match(parsed.name, /^[a-z0-9][-a-z0-9.]*$/);
        } catch (error) {
          assert(error instanceof ParseError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
}

Deno.test("a pod that isn't ready has the first reason that Kubernetes gives, if it gives one", () => {
  const of = (status: object) =>
    parsePod({ metadata: { namespace: "n", name: "p", uid: "u" }, spec: { containers: [] }, status }).unready;
  const waiting = (reason: string) => ({ name: "c", state: { waiting: { reason } } });
  const ended = (reason: string) => ({ name: "c", state: { terminated: { reason, exitCode: 1 } } });
  const running = { name: "c", state: { running: {} } };
  assert.equal(of({ containerStatuses: [running, waiting("CrashLoopBackOff")] }), "CrashLoopBackOff");
  assert.equal(of({ containerStatuses: [ended("OOMKilled")] }), "OOMKilled");
  assert.equal(
    of({
      initContainerStatuses: [ended("Completed"), ended("Error")],
      containerStatuses: [waiting("PodInitializing")],
    }),
    "Error",
  );
  assert.equal(of({ conditions: [{ type: "PodScheduled", status: "False" }] }), "Unschedulable");
  assert.equal(of({ containerStatuses: [running] }), undefined);
  assert.equal(of({ containerStatuses: [waiting("not one word")] }), undefined);
  const ready = [{ type: "Ready", status: "True" }];
  assert.equal(of({ conditions: ready, containerStatuses: [waiting("CrashLoopBackOff")] }), undefined);
});
