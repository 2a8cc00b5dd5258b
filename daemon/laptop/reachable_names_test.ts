import assert from "node:assert/strict";
import fc from "fast-check";
import { readName } from "../../dns/domain_name.ts";
import { addressIn } from "../../dns/resource.ts";
import { IN, types } from "../../dns/message.ts";
import { Zone } from "../../names/zone/zone.ts";
import { reachableNames } from "./reachable_names.ts";

const db = {
  namespace: "default",
  name: "db",
  addresses: ["10.244.0.5", "10.244.0.6", "fd00::6"],
  ports: [{ port: 5432, protocol: "TCP" }],
  headless: true as const,
  endpoints: [{
    ports: [{ port: 5432, protocol: "TCP" }],
    endpoints: [
      { hostname: "db-0", addresses: ["10.244.0.5"] },
      { hostname: "db-1", addresses: ["10.244.0.6", "fd00::6"] },
    ],
  }],
};

Deno.test("a Service keeps the addresses that are captured, and an endpoint without one is a name without an address", () => {
  assert.equal(reachableNames(db, (address) => address), db);
  const some = reachableNames(db, (address) => address === "fd00::6" ? address : undefined);
  assert.deepEqual(some.addresses, ["fd00::6"]);
  assert.deepEqual(some.endpoints?.[0]?.endpoints, [
    { hostname: "db-0", addresses: [] },
    { hostname: "db-1", addresses: ["fd00::6"] },
  ]);
  assert.deepEqual(reachableNames(db, () => undefined).addresses, []);
});

Deno.test("a name leads to the virtual address of what is reached by one", () => {
  const [own, virtual] = ["10.96.0.7", "198.19.0.1"];
  const echo = { namespace: "default", name: "echo", addresses: [own], ports: [] };
  assert.deepEqual(reachableNames(echo, () => virtual).addresses, [virtual]);
  const virtuals = new Map([["10.244.0.5", "198.19.0.2"], ["10.244.0.6", "198.19.0.3"]]);
  const some = reachableNames(db, (address) => virtuals.get(address));
  assert.deepEqual(some.addresses, ["198.19.0.2", "198.19.0.3"]);
  assert.deepEqual(some.endpoints?.[0]?.endpoints, [
    { hostname: "db-0", addresses: ["198.19.0.2"] },
    { hostname: "db-1", addresses: ["198.19.0.3"] },
  ]);
});

Deno.test("an endpoint without a hostname is called by its own address, and found by its virtual one", () => {
  const peers = {
    ...db,
    name: "peers",
    addresses: ["10.244.0.5", "10.244.0.6"],
    endpoints: [{ ports: [], endpoints: [{ addresses: ["10.244.0.5"] }, { addresses: ["10.244.0.6"] }] }],
  };
  const zone = new Zone();
  const services = [reachableNames(peers, (one) => one === "10.244.0.5" ? "198.19.0.2" : one)];
  zone.set({
    cluster: "two",
    context: "two",
    clusterDomain: "cluster.local",
    namespace: "default",
    services,
  });
  const answers = (name: string, type: number) => {
    const answer = zone.answer({ name, type, class: IN });
    assert.ok(answer !== "not-ours");
    return answer.answers.map((resource) => addressIn(resource)?.text ?? readName(resource.data, 0).name);
  };
  assert.deepEqual(answers("10-244-0-5.peers.default.svc", types.A), ["198.19.0.2"]);
  assert.deepEqual(answers("10-244-0-6.peers.default.svc", types.A), ["10.244.0.6"]);
  assert.deepEqual(answers("2.0.19.198.in-addr.arpa", types.PTR), [
    "10-244-0-5.peers.default.svc.cluster.local",
  ]);
});

const address = fc.oneof(
  fc.ipV4(),
  fc.constantFrom("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "10.96.0.7", "10.96.0.8", "8.8.8.8"),
);

Deno.test("whatever a cluster claims, no name answers an address that isn't captured", () => {
  const asked = [
    "echo.default",
    "echo.default.svc.cluster.local",
    "p.echo.default.svc",
    "_x._tcp.echo.default.svc",
  ];
  fc.assert(fc.property(
    fc.array(address, { maxLength: 5 }),
    fc.array(address, { maxLength: 3 }),
    fc.boolean(),
    (claimed, pod, headless) => {
      const isCaptured = (text: string) => text === "10.96.0.7" || text === "10.96.0.8";
      const zone = new Zone();
      zone.set({
        cluster: "one",
        context: "one",
        clusterDomain: "cluster.local",
        namespace: "default",
        services: [reachableNames({
          namespace: "default",
          name: "echo",
          addresses: headless ? pod : claimed,
          ports: [{ name: "x", port: 80, protocol: "TCP" }],
          ...(headless ? { headless: true } : {}),
          endpoints: [{ ports: [], endpoints: [{ hostname: "p", addresses: pod }] }],
        }, (text) => isCaptured(text) ? text : undefined)],
      });
      for (const name of asked) {
        for (const type of [types.A, types.AAAA, types.ANY, types.SRV]) {
          const answer = zone.answer({ name, type, class: IN });
          if (answer === "not-ours") continue;
          for (const resource of [...answer.answers, ...answer.additionals]) {
            const answered = addressIn(resource);
            if (answered) assert.ok(isCaptured(answered.text), `${name} answers ${answered.text}`);
          }
        }
      }
    },
  ));
});
