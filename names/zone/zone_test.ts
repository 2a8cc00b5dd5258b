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
  namespace: "data",
  name: "db",
  addresses: ["10.244.1.5", "10.244.2.5"],
  ports: [{ name: "sql", port: 5432, protocol: "TCP" }, { port: 9000, protocol: "TCP" }],
  headless: [{ hostname: "db-0", addresses: ["10.244.1.5"] }, { addresses: ["10.244.2.5"] }],
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

function ask(zone: Zone, name: string, type: number = types.A): string[] | "not-ours" {
  const answer = zone.answer({ name, type, class: IN });
  return answer === "not-ours" ? answer : answer.answers.map(text);
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

Deno.test("names that no Service has are left to the laptop's nameserver", () => {
  const zone = zoneOf(cluster([echo, db]));
  const names = [
    "nope",
    "nope.default",
    "nope.default.svc",
    "echo.nope.svc.cluster.local",
    "svc",
    "default.svc",
  ];
  for (
    const name of [
      ...names,
      "cluster.local",
      "example.com",
      "",
      "db",
      "x.echo.default.svc",
      "echo.default.svc.com",
    ]
  ) {
    assert.equal(ask(zone, name), "not-ours", name);
  }
  assert.equal(ask(zone, "_nope._tcp.echo.default.svc", types.SRV), "not-ours");
  assert.equal(zone.answer({ name: "echo", type: types.A, class: 3 }), "not-ours");
  assert.equal(ask(zone, "echo", types.AXFR), "not-ours");
});

Deno.test("another type of a Service's name exists and is empty, for a second", () => {
  const zone = zoneOf(cluster([echo]));
  for (const type of [types.AAAA, types.MX, types.TXT, types.HTTPS, types.CNAME]) {
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
  assert.deepEqual(ask(zone, "echo", types.ANY), ["10.96.0.10", "fd00:96::a"]);
});

Deno.test("a headless Service answers with all its pods, and each pod by its hostname or its address with dashes", () => {
  const zone = zoneOf(cluster([db]));
  assert.deepEqual(ask(zone, "db.data.svc"), ["10.244.1.5", "10.244.2.5"]);
  assert.deepEqual(ask(zone, "db-0.db.data.svc"), ["10.244.1.5"]);
  assert.deepEqual(ask(zone, "10-244-2-5.db.data.svc.cluster.local"), ["10.244.2.5"]);
  assert.equal(ask(zone, "db-1.db.data.svc"), "not-ours");
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
  assert.deepEqual(ask(zone, "_sql._tcp.db.data.svc", types.SRV), [
    "5432 db-0.db.data.svc.cluster.local",
    "5432 10-244-2-5.db.data.svc.cluster.local",
  ]);
  assert.deepEqual(ask(zone, "_http._tcp.echo.default.svc", types.A), []);
  assert.equal(ask(zone, "_http._udp.echo.default.svc", types.SRV), "not-ours");
});

Deno.test("an address leads back to its Service or pod, until it has none", () => {
  const zone = zoneOf(cluster([{ ...echo, addresses: ["10.96.0.10", "fd00::1"] }, db]));
  assert.deepEqual(ask(zone, "10.0.96.10.in-addr.arpa", types.PTR), ["echo.default.svc.cluster.local"]);
  assert.deepEqual(ask(zone, `1.${"0.".repeat(27)}0.0.d.f.ip6.arpa`, types.PTR), [
    "echo.default.svc.cluster.local",
  ]);
  assert.deepEqual(ask(zone, "5.1.244.10.in-addr.arpa", types.PTR), ["db-0.db.data.svc.cluster.local"]);
  assert.equal(ask(zone, "11.0.96.10.in-addr.arpa", types.PTR), "not-ours");
  zone.change({ cluster: "one", set: [{ ...echo, addresses: ["10.96.0.11"] }], removed: [] });
  assert.equal(ask(zone, "10.0.96.10.in-addr.arpa", types.PTR), "not-ours");
  assert.deepEqual(ask(zone, "11.0.96.10.in-addr.arpa", types.PTR), ["echo.default.svc.cluster.local"]);
  zone.change({ cluster: "one", set: [], removed: [echo] });
  assert.equal(ask(zone, "11.0.96.10.in-addr.arpa", types.PTR), "not-ours");
  assert.equal(ask(zone, "echo.default.svc"), "not-ours");
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
  ]));
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

Deno.test("a name can be located for dialling", () => {
  const zone = zoneOf(cluster([echo, db, { ...echo, name: "out", externalName: "x.example" }]));
  assert.equal(zone.locate("ECHO.default.svc.")?.service, echo);
  const pod = zone.locate("db-0.db.data.svc");
  assert.deepEqual([pod?.pod, pod?.addresses], ["db-0", [parseAddress("10.244.1.5")]]);
  for (const name of ["out", "example.com", "_http._tcp.echo.default.svc", ""]) {
    assert.equal(zone.locate(name), undefined);
  }
});

Deno.test("whatever is asked, the zone answers or leaves it", () => {
  const zone = zoneOf(cluster([echo, db]));
  const label = fc.constantFrom(
    "echo",
    "db",
    "default",
    "data",
    "svc",
    "cluster",
    "local",
    "db-0",
    "_http",
    "_tcp",
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
