import assert from "node:assert/strict";
import fc from "fast-check";
import { parseEndpointSlice, parsePod, parseService } from "../../kube/objects/objects.ts";
import { ClusterIndex, type IndexChange } from "./cluster_index.ts";
import { type Topology, type TopologyChange, wholeOf } from "./topology.ts";

const meta = (name: string, more: object = {}) => ({
  metadata: { namespace: "default", name, uid: `uid-${name}`, ...more },
});
const keyed = <T extends { namespace: string; name: string }>(...all: T[]) =>
  new Map(all.map((one) => [`${one.namespace}/${one.name}`, one]));

const service = (name: string, spec: object) => parseService({ ...meta(name), spec });
const pod = (name: string, ip: string, more: object = {}) =>
  parsePod({
    ...meta(name, { labels: { app: "db" } }),
    spec: { containers: [], ...more },
    status: {
      phase: "Running",
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  });
const unready = (name: string, ip: string) => ({ ...pod(name, ip), ready: false });
const slice = (of: string, endpoints: object[]) =>
  parseEndpointSlice({
    ...meta(`${of}-1`, { labels: { "kubernetes.io/service-name": of } }),
    addressType: "IPv4",
    ports: [{ port: 5432 }],
    endpoints,
  });

const services = keyed(
  service("echo", {
    clusterIP: "10.96.0.7",
    ports: [{ name: "http", port: 80 }, { name: "dns", port: 53, protocol: "UDP" }],
  }),
  service("db", { clusterIP: "None", selector: { app: "db" }, ports: [{ port: 5432 }] }),
  service("out", { type: "ExternalName", externalName: "db.example.com" }),
);
const endpoint = (address: string, ready = true, hostname?: string) => ({
  addresses: [address],
  conditions: { ready },
  ...(hostname ? { hostname } : {}),
});
const indexOf = (topology: Topology) => {
  const index = new ClusterIndex();
  index.update(topology, wholeOf(topology));
  return index;
};
const named = (topology: Topology, name: string) => indexOf(topology).services.get(`default/${name}`);
const changed = (more: Partial<Record<keyof TopologyChange, readonly string[]>>): TopologyChange => ({
  services: new Set(more.services),
  slices: new Set(more.slices),
  pods: new Set(more.pods),
});
const told = ({ addresses, services }: IndexChange) => [[...addresses].sort(), [...services].sort()];

Deno.test("a Service's name leads to its clusterIPs, an ExternalName's to another name", () => {
  const topology = { services, pods: new Map() };
  assert.deepEqual(named(topology, "echo"), {
    namespace: "default",
    name: "echo",
    addresses: ["10.96.0.7"],
    ports: [{ name: "http", port: 80, protocol: "TCP" }, { name: "dns", port: 53, protocol: "UDP" }],
  });
  assert.equal(named(topology, "out")?.externalName, "db.example.com");
});

Deno.test("a headless Service's names lead to its ready endpoints that are pods, and to nothing else a slice says", () => {
  const pods = keyed(
    pod("db-0", "10.244.0.5"),
    pod("db-1", "10.244.0.6"),
    pod("on-host", "192.0.2.1", { hostNetwork: true }),
  );
  const slices = keyed(slice("db", [
    endpoint("10.244.0.5", true, "db-0"),
    endpoint("10.244.0.6", false, "db-1"),
    endpoint("192.0.2.1"),
    endpoint("198.51.100.1"),
  ]));
  const db = named({ services, pods, slices }, "db");
  assert.deepEqual(db?.endpoints?.map(({ endpoints }) => endpoints), [[
    { hostname: "db-0", addresses: ["10.244.0.5"] },
    { addresses: [] },
    { addresses: [] },
  ]]);
  assert.deepEqual(db?.addresses, ["10.244.0.5"]);
});

Deno.test("endpoints of a headless Service that lead nowhere are said, with why", () => {
  const pods = keyed(pod("db-0", "10.244.0.5"), pod("on-host", "192.0.2.1", { hostNetwork: true }));
  const of = (kind: string, name: string) => ({ targetRef: { kind, namespace: "default", name } });
  const slices = keyed(slice("db", [
    { ...endpoint("10.244.0.5"), ...of("Pod", "db-0") },
    { ...endpoint("192.0.2.1"), ...of("Pod", "on-host") },
    { ...endpoint("10.244.0.9"), ...of("Pod", "not-seen-yet") },
    endpoint("198.51.100.1"),
    endpoint("169.254.169.254"),
    endpoint("198.51.100.2", false),
  ]));
  const refused = indexOf({ services, pods, slices }).refused.get("default/db");
  assert.deepEqual(refused?.map(({ address, why }) => [address, why.slice(0, 12)]), [
    ["169.254.169.254", "the metadata"],
    ["192.0.2.1", "a node's add"],
    ["198.51.100.1", "an endpoint "],
  ]);
});

Deno.test("endpoints have the ports of their slice, and their names under a Service that isn't headless too", () => {
  const pods = keyed(pod("e-0", "10.244.0.5"), pod("e-1", "10.244.0.6"));
  const of = (name: string, ports: object[], address: string) =>
    parseEndpointSlice({
      ...meta(name, { labels: { "kubernetes.io/service-name": "echo" } }),
      addressType: "IPv4",
      ports,
      endpoints: [endpoint(address, true, name)],
    });
  const slices = keyed(
    of("a", [{ name: "http", port: 8080 }], "10.244.0.5"),
    of("b", [{ name: "http", port: 9090 }], "10.244.0.6"),
  );
  const echo = named({ services, pods, slices }, "echo");
  assert.deepEqual(echo?.endpoints, [
    {
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      endpoints: [{ hostname: "a", addresses: ["10.244.0.5"] }],
    },
    {
      ports: [{ name: "http", port: 9090, protocol: "TCP" }],
      endpoints: [{ hostname: "b", addresses: ["10.244.0.6"] }],
    },
  ]);
  assert.deepEqual(echo?.addresses, ["10.96.0.7"]);
});

Deno.test("a headless Service that publishes what isn't ready has what its slices call ready, and without slices all its pods", () => {
  const all = keyed(
    service("db", { clusterIP: "None", selector: { app: "db" }, publishNotReadyAddresses: true }),
  );
  const of = {
    services: all,
    pods: keyed(pod("db-0", "10.244.0.5")),
    slices: keyed(slice("db", [endpoint("10.244.0.5", true), endpoint("10.244.0.6", false)])),
  };
  assert.deepEqual(named(of, "db")?.addresses, ["10.244.0.5"], "the slice says what is published");
  const { slices: _, ...blind } = { ...of, pods: keyed(unready("db-0", "10.244.0.5")) };
  assert.deepEqual(named(blind, "db")?.addresses, ["10.244.0.5"]);
});

Deno.test("where slices can't be seen, a headless Service has the ready pods of its selector", () => {
  const pods = keyed(pod("db-0", "10.244.0.5"), pod("on-host", "192.0.2.1", { hostNetwork: true }));
  assert.deepEqual(named({ services, pods }, "db")?.addresses, ["10.244.0.5"]);
});

Deno.test("a pod takes any port; a pod on its node's network, or one that has ended, gives no address", () => {
  const pods = keyed(
    pod("a", "10.244.0.5"),
    pod("b", "10.77.1.1", { hostNetwork: true }),
    parsePod({ ...meta("c"), spec: {}, status: { phase: "Succeeded", podIPs: [{ ip: "10.244.0.6" }] } }),
  );
  assert.deepEqual([...indexOf({ services: new Map(), pods }).addresses], [["10.244.0.5", "any"]]);
});

Deno.test("headless Services, external names and external addresses give no address", () => {
  const services = keyed(
    service("h", { clusterIP: "None", clusterIPs: ["None"], ports: [{ port: 80 }] }),
    service("x", { type: "ExternalName", externalName: "example.com" }),
    service("e", { clusterIP: "10.96.0.8", externalIPs: ["8.8.8.8"], ports: [{ port: 53 }] }),
  );
  assert.deepEqual([...indexOf({ services, pods: new Map() }).addresses.keys()], ["10.96.0.8"]);
});

Deno.test("an address that the gateway never dials answers neither by itself nor by a name, and is said", () => {
  const services = keyed(
    service("evil", { clusterIPs: ["fd00:ec2::254", "10.96.0.9"], ports: [{ port: 80 }] }),
    service("worse", { clusterIPs: ["100.100.100.200"], ports: [{ port: 80 }] }),
    service("db", { clusterIP: "None", selector: { app: "db" } }),
  );
  const pods = keyed(pod("db-0", "169.254.169.254"), pod("db-1", "10.244.0.5"));
  const slices = keyed(slice("db", [endpoint("169.254.169.254"), endpoint("10.244.0.5")]));
  const index = indexOf({ services, pods, slices });
  assert.deepEqual([...index.addresses.keys()].sort(), ["10.244.0.5", "10.96.0.9"]);
  assert.deepEqual(index.services.get("default/evil")?.addresses, ["10.96.0.9"]);
  assert.deepEqual(index.services.get("default/worse")?.addresses, []);
  assert.deepEqual(index.services.get("default/db")?.addresses, ["10.244.0.5"]);
  assert.match(index.refused.get("default/evil")?.[0]?.why ?? "", /AWS/);
  assert.match(index.refused.get("default/worse")?.[0]?.why ?? "", /Alibaba/);
});

Deno.test("a change tells what comes of it, and nothing that stays the same", () => {
  const topology = {
    services: new Map(services),
    pods: keyed(pod("db-0", "10.244.0.5")),
    slices: keyed(slice("db", [endpoint("10.244.0.5", true, "db-0")])),
  };
  const index = indexOf(topology);
  assert.deepEqual(told(index.update(topology, wholeOf(topology))), [[], []], "nothing has changed");

  const echo = parseEndpointSlice({
    ...meta("echo-1", { labels: { "kubernetes.io/service-name": "echo" } }),
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080 }],
    endpoints: [endpoint("10.244.0.7")],
  });
  topology.slices.set("default/echo-1", echo);
  const served = index.update(topology, changed({ slices: ["default/echo-1"] }));
  assert.deepEqual(
    told(served),
    [["10.96.0.7"], ["default/echo"]],
    "a port is served, and its endpoint has a name",
  );
  assert.deepEqual(index.addresses.get("10.96.0.7"), [
    { protocol: "tcp", port: 80, served: true },
    { protocol: "udp", port: 53, served: false },
  ]);

  topology.pods.delete("default/db-0");
  const gone = index.update(topology, changed({ pods: ["default/db-0"] }));
  assert.deepEqual(told(gone), [["10.244.0.5"], ["default/db"]], "a pod is gone, and so is its name");

  topology.services.delete("default/echo");
  const removed = index.update(topology, changed({ services: ["default/echo"] }));
  assert.deepEqual(told(removed), [["10.96.0.7"], ["default/echo"]]);
  assert.deepEqual([...index.addresses], []);
});

Deno.test("an address leads back to the Services whose names lead there", () => {
  const topology = {
    services,
    pods: keyed(pod("db-0", "10.244.0.5")),
    slices: keyed(slice("db", [endpoint("10.244.0.5")])),
  };
  const index = indexOf(topology);
  assert.deepEqual([...index.servicesAt("10.244.0.5")], ["default/db"]);
  assert.deepEqual([...index.servicesAt("10.96.0.7")], ["default/echo"]);
  assert.deepEqual([...index.servicesAt("10.96.0.8")], []);
});

const addressOf = fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00:42::42");
const nameOf = fc.constantFrom("a", "b", "c");
const step = fc.oneof(
  fc.record({ kind: fc.constant("services" as const), name: nameOf, address: fc.option(addressOf) }),
  fc.record({
    kind: fc.constant("pods" as const),
    name: nameOf,
    address: fc.option(addressOf),
    host: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("slices" as const),
    name: nameOf,
    of: nameOf,
    address: fc.option(addressOf),
    ready: fc.boolean(),
  }),
);

Deno.test("after any changes, in any order, an index is the one that is made of what there is now", () => {
  const sorted = (index: ClusterIndex) => ({
    addresses: new Map([...index.addresses].sort()),
    services: new Map([...index.services].sort()),
    refused: new Map([...index.refused].sort()),
    at: ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map((address) => [...index.servicesAt(address)].sort()),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 12 }), fc.boolean(), (steps, blind) => {
    const topology = { services: new Map(), pods: new Map(), slices: new Map() };
    const seen = () => blind ? { services: topology.services, pods: topology.pods } : topology;
    const index = new ClusterIndex();
    for (const one of steps) {
      const key = `default/${one.name}`;
      const before = sorted(index);
      if (one.kind === "services") {
        const headless = { clusterIP: "None", selector: { app: "db" } };
        const spec = one.address === null ? headless : { clusterIP: one.address, ports: [{ port: 80 }] };
        if (one.address === "10.0.0.3") topology.services.delete(key);
        else topology.services.set(key, service(one.name, spec));
      } else if (one.kind === "pods") {
        if (one.address === null) topology.pods.delete(key);
        else topology.pods.set(key, pod(one.name, one.address, { hostNetwork: one.host }));
      } else if (one.address === null) topology.slices.delete(key);
      else {
        topology.slices.set(key, { ...slice(one.of, [endpoint(one.address, one.ready)]), name: one.name });
      }
      const change = index.update(seen(), changed({ [one.kind]: [key] }));
      const now = sorted(index);
      for (const address of new Set([...before.addresses.keys(), ...now.addresses.keys()])) {
        const moved =
          JSON.stringify(before.addresses.get(address)) !== JSON.stringify(now.addresses.get(address));
        assert.equal(change.addresses.has(address), moved, address);
      }
      for (const service of new Set([...before.services.keys(), ...now.services.keys()])) {
        const moved =
          JSON.stringify(before.services.get(service)) !== JSON.stringify(now.services.get(service));
        assert.equal(change.services.has(service), moved, service);
      }
    }
    assert.deepEqual(sorted(index), sorted(indexOf(seen())));
  }));
});

Deno.test("one pod's change among 20,000 doesn't look at the others", () => {
  const many = Array.from(
    { length: 20_000 },
    (_, i) => pod(`p-${i}`, `10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`),
  );
  const topology = {
    services,
    pods: new (class extends Map<string, ReturnType<typeof pod>> {
      override values(): never {
        return assert.fail("all pods are gone through");
      }
    })(keyed(...many)),
    slices: keyed(slice("db", [endpoint("10.1.0.5")])),
  };
  const index = indexOf(topology);
  topology.pods.delete("default/p-5");
  const change = index.update(topology, changed({ pods: ["default/p-5"] }));
  assert.deepEqual(told(change), [["10.1.0.5"], ["default/db"]]);
});
