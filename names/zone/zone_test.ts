import assert from "node:assert/strict";
import fc from "fast-check";
import { parseAddress } from "../../net/address.ts";
import { contextDomain } from "./cluster_names.ts";
import { readName } from "../../dns/domain_name.ts";
import { IN, type Resource, types } from "../../dns/message.ts";
import { addressIn } from "../../dns/resource.ts";
import { type Answer, Zone } from "./zone.ts";
import type { ServiceNames, ZoneData } from "./zone_data.ts";

const http = [{ name: "http", port: 80, protocol: "TCP" }];
const echo: ServiceNames = { namespace: "default", name: "echo", addresses: ["10.96.0.10"], ports: http };
const db: ServiceNames = {
  namespace: "depot",
  name: "db",
  addresses: ["10.244.1.5", "10.244.2.5"],
  ports: [{ name: "sql", port: 5432, protocol: "TCP" }, { port: 9000, protocol: "TCP" }],
  headless: true,
  endpoints: [{
    ports: [{ name: "sql", port: 15432, protocol: "TCP" }, { port: 9001, protocol: "TCP" }],
    endpoints: [{ hostname: "db-0", addresses: ["10.244.1.5"] }, { addresses: ["10.244.2.5"] }],
  }],
};

function cluster(services: ServiceNames[], more: Partial<ZoneData> = {}): ZoneData {
  return {
    cluster: "one",
    context: "kind-one",
    clusterDomain: "cluster.local",
    namespace: "default",
    services,
    ...more,
  };
}

function zoneOf(...clusters: ZoneData[]): Zone {
  const zone = new Zone();
  for (const data of clusters) zone.set(data);
  return zone;
}

function ask(zone: Zone, name: string, type: number = types.A): string[] | "not-ours" | "absent" {
  const answer = zone.answer({ name, type, class: IN });
  if (answer === "not-ours") return answer;
  return answer.isAbsent ? "absent" : answer.answers.map(text);
}

function text(resource: Resource): string {
  const { type, data } = resource;
  const view = new DataView(data.buffer, data.byteOffset);
  if (type === types.CNAME || type === types.PTR) return readName(data, 0).name;
  if (type === types.SRV) return `${view.getUint16(4)} ${readName(data, 6).name}`;
  return addressIn(resource)?.text ?? "?";
}

Deno.test("a Service answers by each of its names, whatever their case", () => {
  const zone = zoneOf(cluster([echo]));
  const names = [
    "echo",
    "echo.default",
    "echo.default.svc",
    "echo.default.svc.cluster.local",
    "eCHO.Default.SVC",
  ];
  for (const name of [...names, "echo.default.svc.kind-one"]) {
    assert.deepEqual(ask(zone, name), ["10.96.0.10"], name);
  }
});

Deno.test("names that aren't the cluster's are left to the laptop's nameserver", () => {
  const zone = zoneOf(cluster([echo, db]));
  const names = [
    "nope",
    "nope.default",
    "svc",
    "pod",
    "example.com",
    "",
    "db",
    "x.echo.default",
    "x.echo.svc.com",
    "app.eu.pod",
    "eu.pod",
  ];
  for (const name of names) assert.equal(ask(zone, name), "not-ours", name);
  assert.equal(zone.answer({ name: "echo", type: types.A, class: 3 }), "not-ours");
  assert.equal(ask(zone, "echo", types.AXFR), "not-ours");
});

Deno.test("a name under the cluster's domain that nothing has doesn't exist, and no nameserver is asked", () => {
  const zone = zoneOf(cluster([echo, db]));
  zone.setSurroundings({ hostname: "laptop", searchDomains: ["eng.corp.example", "lan"] });
  const names = [
    "nope.default.svc",
    "echo.nope.svc.cluster.local",
    "x.echo.default.svc",
    "db-1.db.depot.svc",
    "a.b.c.echo.default.svc",
    "nope.cluster.local",
    "nope.svc",
    "nope.default.svc.kind-one",
    "nope.default.svc.eng.corp.example",
    "nope.default.svc.lan",
    "echo.default.svc.lan",
    "nope.nowhere.svc.cluster.local.lan",
    "example.com.cluster.local",
  ];
  for (const name of names) assert.equal(ask(zone, name), "absent", name);
  assert.equal(ask(zone, "_nope._tcp.echo.default.svc", types.SRV), "absent");
  assert.equal(ask(zone, "_http._udp.echo.default.svc", types.SRV), "absent");
  const others = [
    "git.svc.lan",
    "www.nowhere.svc.lan",
    "echo.default.lan",
    "echo.lan",
    "nope.default.svc.org",
  ];
  for (const name of others) assert.equal(ask(zone, name), "not-ours", `${name} may be the company's`);
});

Deno.test("where one namespace alone may be listed, other namespaces' names are left to the nameserver", () => {
  const zone = zoneOf(cluster([echo], { onlyNamespace: "default" }));
  assert.equal(ask(zone, "nope.default.svc"), "absent");
  assert.equal(ask(zone, "nope.other.svc"), "not-ours");
  assert.equal(ask(zone, "nope.other.svc.cluster.local"), "not-ours");
  assert.equal(ask(zone, "nope.cluster.local"), "absent");
  zone.set(cluster([], { cluster: "two", context: "two" }));
  assert.equal(ask(zone, "nope.other.svc"), "not-ours", "the first cluster may have it");
});

Deno.test("the cluster's own names exist without records, and say which specification they follow", () => {
  const zone = zoneOf(cluster([echo]));
  for (
    const name of ["cluster.local", "svc.cluster.local", "pod.cluster.local", "default.svc", "default.pod"]
  ) {
    assert.deepEqual(ask(zone, name), [], name);
  }
  const version = zone.answer({ name: "dns-version.cluster.local", type: types.TXT, class: IN }) as Answer;
  assert.equal(new TextDecoder().decode(version.answers[0]?.data.subarray(1)), "1.1.0");
  assert.equal(ask(zone, "dns-version.cluster.local"), "absent");
});

Deno.test("names are as short as in a pod of the connection's own namespace", () => {
  const own = { ...db, namespace: "default" };
  const zone = zoneOf(cluster([echo, own, db]));
  for (const name of ["db-0.db", "db-0.db.default", "db-0.db.depot", "db-0.db.default.svc"]) {
    assert.deepEqual(ask(zone, name), ["10.244.1.5"], name);
  }
  assert.deepEqual(ask(zone, "_http._tcp.echo", types.SRV), ["80 echo.default.svc.cluster.local"]);
  assert.deepEqual(ask(zone, "_http._tcp.echo.default", types.SRV), ["80 echo.default.svc.cluster.local"]);
  assert.equal(ask(zone, "db-1.db"), "not-ours", "a short name that nothing has may be anybody's");
});

Deno.test("a pod's name by its address leads to addresses that are reached, and to no others", () => {
  const zone = new Zone({ isReached: (name, address) => name === "one" && /^(10\.244|fd00)/.test(address) });
  zone.set(cluster([echo]));
  assert.deepEqual(ask(zone, "10-244-1-5.default.pod"), ["10.244.1.5"]);
  assert.deepEqual(ask(zone, "fd00--5.default.pod.cluster.local", types.AAAA), ["fd00::5"]);
  for (const name of ["169-254-169-254.default.pod", "nope.default.pod", "x.10-244-1-5.default.pod"]) {
    assert.equal(ask(zone, name), "absent", name);
  }
});

Deno.test("a headless Service without endpoints doesn't exist, as in a pod; one whose endpoints aren't reached has no address", () => {
  const { endpoints: _, ...empty } = db;
  const unreached = {
    ...db,
    addresses: [],
    endpoints: [{ ports: [], endpoints: [{ hostname: "db-0", addresses: [] }] }],
  };
  const zone = zoneOf(
    cluster([{ ...empty, name: "empty", addresses: [] }, { ...unreached, name: "unreached" }]),
  );
  assert.equal(ask(zone, "empty.depot.svc"), "absent");
  assert.deepEqual(ask(zone, "unreached.depot.svc"), []);
  assert.deepEqual(ask(zone, "db-0.unreached.depot.svc"), []);
});

Deno.test("a name completed with a search domain is known as such", () => {
  const zone = zoneOf(cluster([echo, db]));
  zone.setSurroundings({ hostname: "laptop", searchDomains: ["corp.example", "lan"] });
  zone.setCustom([{ domain: "shop.example", namespace: "default", service: "echo" }]);
  for (const name of ["echo.lan", "Echo.Default.corp.example", "db-0.db.depot.lan", "shop.example.lan"]) {
    assert.ok(zone.isCompleted(name), name);
  }
  for (const name of ["nope.lan", "echo", "lan", "echo.default.svc", "www.corp.example"]) {
    assert.ok(!zone.isCompleted(name), name);
  }
});

Deno.test("another type of a Service's name exists and is empty, for a second", () => {
  const zone = zoneOf(cluster([echo]));
  for (const type of [types.AAAA, types.MX, types.TXT, types.HTTPS, types.CNAME, types.ANY]) {
    const answer = zone.answer({ name: "echo.default.svc", type, class: IN }) as Answer;
    assert.deepEqual(answer.answers, []);
    const [soa] = answer.authorities;
    assert.equal(soa?.type, types.SOA);
    assert.equal(soa?.ttl, 1);
    assert.equal(new DataView(soa.data.buffer).getUint32(soa.data.length - 4), 1);
  }
});

Deno.test("both families are answered, each to its own type", () => {
  const dual = { ...echo, addresses: ["10.96.0.10", "fd00:96::a"] };
  const zone = zoneOf(cluster([dual]));
  assert.deepEqual(ask(zone, "echo", types.A), ["10.96.0.10"]);
  assert.deepEqual(ask(zone, "echo", types.AAAA), ["fd00:96::a"]);
  assert.deepEqual(ask(zone, "echo", types.ANY), []);
});

Deno.test("a headless Service answers with all its pods, and each pod by its hostname or its address with dashes", () => {
  const zone = zoneOf(cluster([db]));
  assert.deepEqual(ask(zone, "db.depot.svc"), ["10.244.1.5", "10.244.2.5"]);
  assert.deepEqual(ask(zone, "db-0.db.depot.svc"), ["10.244.1.5"]);
  assert.deepEqual(ask(zone, "10-244-2-5.db.depot.svc.cluster.local"), ["10.244.2.5"]);
  assert.equal(ask(zone, "db-1.db.depot.svc"), "absent");
  assert.deepEqual(ask(zone, "db-0.db.depot.svc", types.SRV), [
    "15432 db-0.db.depot.svc.cluster.local",
    "9001 db-0.db.depot.svc.cluster.local",
  ]);
});

Deno.test("an endpoint answers by its name under a Service that isn't headless too", () => {
  const named = { ...echo, endpoints: db.endpoints ?? [] };
  const zone = zoneOf(cluster([named]));
  assert.deepEqual(ask(zone, "db-0.echo.default.svc"), ["10.244.1.5"]);
  assert.deepEqual(ask(zone, "10-244-2-5.echo"), ["10.244.2.5"]);
  assert.deepEqual(ask(zone, "5.1.244.10.in-addr.arpa", types.PTR), ["db-0.echo.default.svc.cluster.local"]);
  assert.deepEqual(ask(zone, "echo"), ["10.96.0.10"]);
});

Deno.test("each slice's endpoints have the ports of that slice", () => {
  const two = {
    ...db,
    endpoints: [
      { ports: [{ name: "sql", port: 1, protocol: "TCP" }], endpoints: [{ addresses: ["10.244.1.1"] }] },
      { ports: [{ name: "sql", protocol: "TCP" }], endpoints: [{ addresses: ["10.244.1.2"] }] },
      { ports: [{ name: "web", port: 2, protocol: "TCP" }], endpoints: [{ addresses: ["10.244.1.3"] }] },
    ],
  };
  const zone = zoneOf(cluster([two]));
  assert.deepEqual(ask(zone, "_sql._tcp.db.depot.svc", types.SRV), [
    "1 10-244-1-1.db.depot.svc.cluster.local",
  ]);
  assert.deepEqual(ask(zone, "_sql._tcp.db.depot.svc"), ["10.244.1.1", "10.244.1.2"]);
  assert.deepEqual(ask(zone, "db.depot.svc"), ["10.244.1.1", "10.244.1.2", "10.244.1.3"]);
});

Deno.test("SRV names the port and the target, with the target's address in addition", () => {
  const zone = zoneOf(cluster([echo, db]));
  assert.deepEqual(ask(zone, "_http._tcp.echo.default.svc", types.SRV), [
    "80 echo.default.svc.cluster.local",
  ]);
  const answer = zone.answer({ name: "_http._tcp.echo.default.svc", type: types.SRV, class: IN }) as Answer;
  assert.deepEqual(answer.additionals.map((one) => [one.name, text(one)]), [[
    "echo.default.svc.cluster.local",
    "10.96.0.10",
  ]]);
  assert.deepEqual(ask(zone, "_sql._tcp.db.depot.svc", types.SRV), [
    "15432 db-0.db.depot.svc.cluster.local",
    "15432 10-244-2-5.db.depot.svc.cluster.local",
  ]);
  assert.deepEqual(ask(zone, "_http._tcp.echo.default.svc", types.A), ["10.96.0.10"]);
});

Deno.test("an address leads back to its Service or pod, until it has none", () => {
  const zone = zoneOf(cluster([{ ...echo, addresses: ["10.96.0.10", "fd00::1"] }, db]));
  assert.deepEqual(ask(zone, "10.0.96.10.in-addr.arpa", types.PTR), ["echo.default.svc.cluster.local"]);
  assert.deepEqual(ask(zone, `1.${"0.".repeat(27)}0.0.d.f.ip6.arpa`, types.PTR), [
    "echo.default.svc.cluster.local",
  ]);
  assert.deepEqual(ask(zone, "5.1.244.10.in-addr.arpa", types.PTR), ["db-0.db.depot.svc.cluster.local"]);
  assert.equal(ask(zone, "11.0.96.10.in-addr.arpa", types.PTR), "not-ours");
  zone.change({ cluster: "one", set: [{ ...echo, addresses: ["10.96.0.11"] }], removed: [] });
  assert.equal(ask(zone, "10.0.96.10.in-addr.arpa", types.PTR), "not-ours");
  assert.deepEqual(ask(zone, "11.0.96.10.in-addr.arpa", types.PTR), ["echo.default.svc.cluster.local"]);
  zone.change({ cluster: "one", set: [], removed: [echo] });
  assert.equal(ask(zone, "11.0.96.10.in-addr.arpa", types.PTR), "not-ours");
  assert.equal(ask(zone, "echo.default.svc"), "absent");
});

Deno.test("a namespace named like a top-level domain, a local one or a search domain's end has no short names", () => {
  const namespaces = ["dev", "app", "com", "io", "local", "lan", "home", "corp", "internal", "example-corp"];
  const zone = zoneOf(cluster(namespaces.map((namespace) => ({ ...echo, namespace }))));
  zone.setSurroundings({ hostname: "laptop", searchDomains: ["eng.example-corp"] });
  for (const namespace of namespaces) {
    assert.equal(ask(zone, `echo.${namespace}`), "not-ours", namespace);
    assert.deepEqual(ask(zone, `echo.${namespace}.svc`), ["10.96.0.10"], namespace);
    assert.ok(zone.isReserved(namespace));
  }
  assert.ok(!zone.isReserved("default"));
});

Deno.test("localhost, wpad, Firefox' canary and the laptop's own name are never pmz's", () => {
  const names = ["localhost", "wpad", "laptop"];
  const zone = zoneOf(cluster(names.map((name) => ({ ...echo, name }))));
  zone.setSurroundings({ hostname: "Laptop.example.net", searchDomains: [] });
  const custom = ["use-application-dns.net", "x.localhost", "laptop.example.net", "wpad.shop.example"];
  zone.setCustom(custom.map((domain) => ({ domain, namespace: "default", service: "wpad" })));
  for (const name of [...names, ...custom, "wpad.default.svc", "wpad.default"]) {
    assert.equal(ask(zone, name), "not-ours", name);
  }
  assert.deepEqual(ask(zone, "laptop.default.svc"), ["10.96.0.10"]);
});

Deno.test("custom domains answer, exact ones before wildcards and the nearest wildcard first", () => {
  const other = { ...echo, name: "other", addresses: ["10.96.0.20"] };
  const zone = zoneOf(cluster([echo, db, other]));
  zone.setCustom([
    { domain: "*.shop.example", namespace: "default", service: "echo" },
    { domain: "*.api.shop.example", namespace: "default", service: "other" },
    { domain: "Www.Shop.example.", namespace: "default", service: "other" },
    { domain: "gone.example", namespace: "default", service: "gone" },
  ]);
  assert.deepEqual(ask(zone, "a.shop.example"), ["10.96.0.10"]);
  assert.deepEqual(ask(zone, "a.b.shop.example"), ["10.96.0.10"]);
  assert.deepEqual(ask(zone, "v1.api.shop.example"), ["10.96.0.20"]);
  assert.deepEqual(ask(zone, "www.shop.example"), ["10.96.0.20"]);
  assert.equal(ask(zone, "shop.example"), "not-ours");
  assert.deepEqual(ask(zone, "www.shop.example", types.HTTPS), []);
  assert.deepEqual(
    ask(zone, "gone.example"),
    [],
    "a custom domain whose Service is gone is not left to the nameserver",
  );
  zone.delete("one");
  assert.equal(ask(zone, "gone.example"), "not-ours");
});

Deno.test("an ExternalName is a CNAME: followed inside the cluster, left to others outside, never in circles", () => {
  const alias = (name: string, externalName: string): ServiceNames => ({
    ...echo,
    name,
    addresses: [],
    externalName,
  });
  const zone = zoneOf(cluster([
    echo,
    alias("inside", "echo.default.svc.cluster.local"),
    alias("twice", "inside.default.svc"),
    alias("outside", "api.example.com"),
    alias("a", "b.default.svc"),
    alias("b", "a.default.svc"),
    alias("bad", "not a name"),
    alias("address", "192.0.2.7"),
    alias("short", "echo.default"),
    alias("missing", "nope.default.svc.cluster.local"),
  ]));
  for (const type of [types.SRV, types.TXT, types.HTTPS, types.ANY]) {
    assert.deepEqual(ask(zone, "outside", type), []);
  }
  assert.equal(ask(zone, "address.default.svc"), "absent");
  assert.equal(ask(zone, "_http._tcp.outside.default.svc", types.SRV), "absent");
  assert.deepEqual(ask(zone, "missing"), []);
  const short = zone.answer({ name: "short", type: types.A, class: IN }) as Answer;
  assert.equal(
    short.outside,
    "echo.default",
    "a short name is the laptop's nameserver's, as it is the cluster's",
  );
  assert.deepEqual(ask(zone, "inside"), ["echo.default.svc.cluster.local", "10.96.0.10"]);
  assert.deepEqual(ask(zone, "twice"), [
    "inside.default.svc",
    "echo.default.svc.cluster.local",
    "10.96.0.10",
  ]);
  const outside = zone.answer({ name: "outside", type: types.AAAA, class: IN }) as Answer;
  assert.deepEqual([outside.outside, outside.answers.map(text)], ["api.example.com", ["api.example.com"]]);
  assert.deepEqual(ask(zone, "outside", types.CNAME), ["api.example.com"]);
  assert.deepEqual(ask(zone, "a"), []);
  assert.deepEqual(ask(zone, "bad"), []);
});

Deno.test("of several clusters the first answers, and each by its context", () => {
  const two = { ...echo, addresses: ["10.97.0.10"] };
  const only = { ...echo, name: "only", addresses: ["10.97.0.11"] };
  const zone = zoneOf(
    cluster([echo]),
    cluster([two, only], { cluster: "two", context: "admin@Prod_2", namespace: "default" }),
  );
  assert.deepEqual(ask(zone, "echo.default.svc"), ["10.96.0.10"]);
  assert.deepEqual(ask(zone, "echo.default.svc.kind-one"), ["10.96.0.10"]);
  assert.deepEqual(ask(zone, "echo.default.svc.admin-prod_2"), ["10.97.0.10"]);
  assert.deepEqual(ask(zone, "only.default.svc"), ["10.97.0.11"]);
  assert.deepEqual(ask(zone, "10.0.97.10.in-addr.arpa", types.PTR), ["echo.default.svc.admin-prod_2"]);
  assert.deepEqual(ask(zone, "11.0.97.10.in-addr.arpa", types.PTR), ["only.default.svc.admin-prod_2"]);
  zone.setCustom([{ domain: "x.example", namespace: "default", service: "echo", context: "admin@Prod_2" }]);
  assert.deepEqual(ask(zone, "x.example"), ["10.97.0.10"]);
});

Deno.test("an ExternalName leads to the Service of its own cluster, where several have one of that name", () => {
  const alias = {
    namespace: "default",
    name: "alias",
    addresses: [],
    ports: [],
    externalName: "echo.default.svc.cluster.local",
  };
  const again = { ...alias, name: "again", externalName: "alias.default.svc.cluster.local" };
  const two = { ...echo, addresses: ["198.19.0.1"] };
  const zone = zoneOf(
    cluster([echo, alias]),
    cluster([two, alias, again], { cluster: "two", context: "two", namespace: "default" }),
  );
  assert.deepEqual(ask(zone, "alias.default.svc.kind-one").at(-1), "10.96.0.10");
  assert.deepEqual(ask(zone, "alias.default.svc.two").at(-1), "198.19.0.1");
  assert.deepEqual(ask(zone, "again.default.svc").at(-1), "198.19.0.1");
  const located = zone.locate("again.default.svc.two");
  assert.deepEqual(located && "addresses" in located && located.cluster, "two");
});

Deno.test("a context's name becomes the end of a name, whatever is in it", () => {
  assert.equal(contextDomain("kind-dev"), "kind-dev");
  assert.equal(contextDomain("arn:aws:eks:eu-1:1234:cluster/Prod"), "arn-aws-eks-eu-1-1234-cluster-prod");
  assert.equal(contextDomain("admin@prod.example.com"), "admin-prod.example.com");
  assert.equal(contextDomain("@@"), undefined);
  fc.assert(fc.property(fc.string(), (context) => {
    const domain = contextDomain(context);
    assert.ok(domain === undefined || /^[a-z0-9_.-]+$/.test(domain));
  }));
});

Deno.test("addresses that no cluster may lead to are dropped from answers", () => {
  const zone = new Zone({ forbidden: ({ text }) => text.startsWith("127.") });
  zone.set(cluster([{ ...echo, addresses: ["127.0.0.1", "10.96.0.10"] }]));
  assert.deepEqual(ask(zone, "echo"), ["10.96.0.10"]);
});

Deno.test("a name can be located for dialling, by way of ExternalNames too", () => {
  const alias = (name: string, externalName: string) => ({ ...echo, name, externalName, addresses: [] });
  const zone = zoneOf(cluster([
    echo,
    db,
    alias("out", "x.example"),
    alias("inside", "twice.default.svc.cluster.local"),
    alias("twice", "echo.default.svc"),
    alias("further", "out.default.svc.cluster.local"),
    alias("missing", "nope.default.svc.cluster.local"),
    alias("round", "round.default.svc"),
  ]));
  const address = parseAddress("10.96.0.10");
  for (const name of ["ECHO.default.svc.", "inside", "_http._tcp.echo.default.svc"]) {
    assert.deepEqual(zone.locate(name), { cluster: "one", addresses: [address] }, name);
  }
  assert.deepEqual(zone.locate("db-0.db.depot"), {
    cluster: "one",
    addresses: [parseAddress("10.244.1.5")],
  });
  for (const name of ["out", "further"]) {
    assert.deepEqual(zone.locate(name), { cluster: "one", outside: "x.example" }, name);
  }
  for (
    const name of ["missing", "round", "example.com", "nope.default.svc", "svc.cluster.local", ""]
  ) {
    assert.equal(zone.locate(name), undefined, name);
  }
});

Deno.test("whatever is asked, the zone answers or leaves it", () => {
  const zone = zoneOf(cluster([echo, db]));
  const label = fc.constantFrom(
    "echo",
    "db",
    "default",
    "depot",
    "svc",
    "cluster",
    "local",
    "db-0",
    "_http",
    "_tcp",
    "10-244-1-5",
    "pod",
    "\\.",
    "arpa",
  );
  fc.assert(fc.property(fc.array(label, { maxLength: 7 }), fc.nat(260), (labels, type) => {
    const answer = zone.answer({ name: labels.join("."), type, class: IN });
    if (answer !== "not-ours") assert.ok(answer.answers.length + answer.authorities.length > 0);
  }));
});

Deno.test("one change among 5,000 Services costs one Service", () => {
  const services = Array.from({ length: 5_000 }, (_, i) => ({
    ...echo,
    name: `echo-${i}`,
    addresses: [`10.${100 + (i >> 8)}.${i & 255}.1`],
  }));
  const zone = zoneOf(cluster(services));
  const start = performance.now();
  for (let i = 0; i < 5_000; i++) {
    zone.change({
      cluster: "one",
      set: [{ ...echo, name: `echo-${i}`, addresses: [`10.96.9.${i & 255}`] }],
      removed: [],
    });
  }
  const each = (performance.now() - start) / 5_000;
  assert.deepEqual(ask(zone, "echo-4999"), [`10.96.9.${4999 & 255}`]);
  assert.ok(each < 0.2, `${each} ms a change`);
});

Deno.test("a record whose name can't be written is left out, and the question is answered all the same", () => {
  const [s, n, domain] = ["s", "n", "d"].map((letter) => letter.repeat(63)) as [string, string, string];
  const zone = new Zone();
  zone.set({
    cluster: "one",
    context: "one",
    clusterDomain: `${domain}.${domain}`,
    namespace: "default",
    services: [{ namespace: n, name: s, addresses: ["10.96.0.9"], ports: http }],
  });
  for (const [name, type] of [["9.0.96.10.in-addr.arpa", types.PTR], [`${s}.${n}.svc`, types.SRV]] as const) {
    const answer = zone.answer({ name, type, class: IN });
    assert.ok(answer === "not-ours" || answer.answers.length === 0);
  }
});

Deno.test("an ExternalName in a circle, to what doesn't exist, or in too long a row is a dead end, and says which", () => {
  const alias = (name: string, externalName: string): ServiceNames => ({
    namespace: "default",
    name,
    addresses: [],
    ports: [],
    externalName,
  });
  const full = (name: string) => `${name}.default.svc.cluster.local`;
  const row = Array.from({ length: 10 }, (_, i) => alias(`row-${i}`, full(`row-${i + 1}`)));
  const zone = zoneOf(cluster([echo, alias("a", full("b")), alias("b", full("a")), ...row]));
  assert.equal(
    zone.deadEnd(full("b"), "one"),
    `the ExternalNames lead in a circle: ${full("b")} -> ${full("a")} -> ${full("b")}`,
  );
  assert.match(
    zone.deadEnd(full("nosuch"), "one") ?? "",
    /^nosuch\.default\.svc\.cluster\.local doesn't exist/,
  );
  assert.match(zone.deadEnd("nosuch.default.svc", "one") ?? "", /doesn't exist/);
  assert.match(zone.deadEnd(full("row-1"), "one") ?? "", /more than 8 ExternalNames in a row/);
  assert.match(zone.deadEnd("not a name", "one") ?? "", /is not a valid name/);
  assert.match(zone.deadEnd("192.0.2.7", "one") ?? "", /looks like an address/);
  for (const name of ["a", "a.default", "a.default.svc", full("a")]) {
    assert.match(zone.whyNowhere(name) ?? "", /in a circle/, name);
  }
  for (const other of ["echo", "nosuch", "x.a.default.svc", "example.com", ""]) {
    assert.equal(zone.whyNowhere(other), undefined, other);
  }
  for (const fine of [full("echo"), full("row-9").replace("row-9", "echo"), "example.com"]) {
    assert.equal(zone.deadEnd(fine, "one"), undefined, fine);
  }
});
