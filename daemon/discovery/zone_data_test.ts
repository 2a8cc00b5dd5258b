import assert from "node:assert/strict";
import { parseEndpointSlice, parsePod, parseService, type Pod } from "../../kube/objects/objects.ts";
import { zoneData } from "./zone_data.ts";

const cluster = { context: "dev", server: "https://127.0.0.1:6443", namespace: "default", user: "jo" };
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
const named = (zone: ReturnType<typeof zoneData>, name: string) =>
  zone.services.find((one) => one.name === name);

Deno.test("a Service's name leads to its clusterIPs, an ExternalName's to another name", () => {
  const zone = zoneData(cluster, { services, pods: new Map() });
  assert.deepEqual(named(zone, "echo"), {
    namespace: "default",
    name: "echo",
    addresses: ["10.96.0.7"],
    ports: [{ name: "http", port: 80, protocol: "TCP" }, { name: "dns", port: 53, protocol: "UDP" }],
  });
  assert.equal(named(zone, "out")?.externalName, "db.example.com");
  assert.deepEqual([zone.cluster, zone.namespace, zone.clusterDomain], ["dev", "default", "cluster.local"]);
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
  const db = named(zoneData(cluster, { services, pods, slices }), "db");
  assert.deepEqual(db?.headless, [{ hostname: "db-0", addresses: ["10.244.0.5"] }]);
  assert.deepEqual(db?.addresses, ["10.244.0.5"]);
});

Deno.test("a headless Service that publishes what isn't ready has those too", () => {
  const all = keyed(
    service("db", { clusterIP: "None", selector: { app: "db" }, publishNotReadyAddresses: true }),
  );
  const of = {
    services: all,
    pods: keyed(pod("db-0", "10.244.0.5")),
    slices: keyed(slice("db", [endpoint("10.244.0.5", false)])),
  };
  assert.deepEqual(named(zoneData(cluster, of), "db")?.addresses, ["10.244.0.5"]);
});

Deno.test("where slices can't be seen, a headless Service has the ready pods of its selector", () => {
  const pods = keyed(pod("db-0", "10.244.0.5"), pod("on-host", "192.0.2.1", { hostNetwork: true }));
  assert.deepEqual(named(zoneData(cluster, { services, pods }), "db")?.addresses, ["10.244.0.5"]);
});

Deno.test("the pods of a large cluster are gone through once, not for each headless Service", () => {
  let looks = 0;
  const pods = new (class extends Map<string, Pod> {
    override values() {
      looks++;
      return super.values();
    }
  })(keyed(pod("db-0", "10.244.0.5")));
  const names = Array.from({ length: 20 }, (_, i) => `db-${i}`);
  const services = keyed(...names.map((name) => service(name, { clusterIP: "None", ports: [{ port: 1 }] })));
  const slices = keyed(...names.map((name) => slice(name, [endpoint("10.244.0.5")])));
  const zone = zoneData(cluster, { services, slices, pods });
  assert.deepEqual(named(zone, "db-19")?.addresses, ["10.244.0.5"]);
  assert.equal(looks, 1);
});
