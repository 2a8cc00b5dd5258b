import assert from "node:assert/strict";
import { Directory } from "./directory.ts";

function directory(): Directory {
  const made = new Directory();
  for (const [cluster, address] of [["one", "10.96.0.7"], ["two", "10.96.0.7"]] as const) {
    made.add(cluster);
    made.setCaptured(cluster, true);
    made.changeAddresses({
      cluster,
      added: new Map([[address, address]]),
      removed: [],
    });
    made.changeAddresses({
      cluster,
      added: new Map([[`198.19.0.${cluster === "one" ? 1 : 2}`, address]]),
      removed: [],
      areVirtual: true,
    });
    made.setZone({
      cluster,
      context: cluster,
      clusterDomain: "cluster.local",
      namespace: "default",
      services: [{ namespace: "default", name: "echo", addresses: [address], ports: [] }],
    });
  }
  return made;
}

Deno.test("an address that two captured clusters have is the first one's", () => {
  const made = directory();
  assert.deepEqual(made.byCapturedAddress("10.96.0.7"), { cluster: "one", address: "10.96.0.7" });
  made.delete("one");
  assert.deepEqual(made.byCapturedAddress("10.96.0.7"), { cluster: "two", address: "10.96.0.7" });
});

Deno.test("an address that several clusters have leads to the one that was captured first, never to one that isn't", () => {
  const made = directory();
  made.setCaptured("one", false);
  assert.equal(made.byCapturedAddress("10.96.0.7")?.cluster, "two");
  made.setCaptured("one", true);
  assert.equal(made.byCapturedAddress("10.96.0.7")?.cluster, "two", "two was captured before");
  made.setCaptured("two", false);
  made.setCaptured("one", false);
  assert.equal(made.byCapturedAddress("10.96.0.7"), undefined);
  assert.equal(made.byHost("10.96.0.7")?.cluster, "one", "the proxy reaches clusters that aren't captured");
});

Deno.test("a change adds addresses and removes others, and leaves the rest", () => {
  const made = directory();
  made.changeAddresses({
    cluster: "one",
    added: new Map([["10.96.0.9", "10.96.0.9"]]),
    removed: ["10.96.0.7", "10.96.0.8"],
  });
  assert.equal(made.byCapturedAddress("10.96.0.9")?.cluster, "one");
  assert.equal(made.byCapturedAddress("10.96.0.7")?.cluster, "two");
  assert.equal(made.byCapturedAddress("198.19.0.1")?.cluster, "one");
});

Deno.test("addresses of a cluster that was not added, or was deleted, count for nothing", () => {
  const made = directory();
  made.delete("one");
  made.changeAddresses({ cluster: "one", added: new Map([["10.96.0.9", "10.96.0.9"]]), removed: [] });
  assert.equal(made.byCapturedAddress("10.96.0.9"), undefined);
});

Deno.test("a virtual address leads to the own address of its cluster, while that is captured", () => {
  const made = directory();
  const target = { cluster: "two", address: "10.96.0.7", virtual: "198.19.0.2" };
  assert.deepEqual(made.byCapturedAddress("198.19.0.2"), target);
  assert.deepEqual(made.byHost("198.19.0.2"), target);
  assert.equal(made.ownAddress("two", "198.19.0.2"), "10.96.0.7");
  assert.equal(made.ownAddress("one", "198.19.0.2"), "198.19.0.2", "it's another cluster's");
  made.setCaptured("two", false);
  assert.equal(made.byCapturedAddress("198.19.0.2"), undefined);
  made.setCaptured("two", true);
  made.delete("two");
  assert.equal(made.byCapturedAddress("198.19.0.2"), undefined);
});

Deno.test("a virtual address is no cluster's own, even where one has it", () => {
  const made = directory();
  const own = { cluster: "one", added: new Map([["198.19.0.2", "198.19.0.2"]]), removed: [] };
  made.changeAddresses(own);
  assert.equal(made.byCapturedAddress("198.19.0.2")?.cluster, "two");
  made.changeAddresses({ cluster: "one", added: new Map(), removed: ["198.19.0.2"] });
  assert.equal(made.byCapturedAddress("198.19.0.2")?.cluster, "two");
  made.changeAddresses(own);
  made.changeAddresses({ cluster: "two", added: new Map(), removed: ["198.19.0.2"], areVirtual: true });
  assert.equal(made.byCapturedAddress("198.19.0.2")?.cluster, "one");
});

Deno.test("a host is a name or an address, and unknown ones belong to no cluster", () => {
  const made = directory();
  assert.equal(made.byHost("echo.default.svc")?.cluster, "one");
  assert.equal(made.byHost("echo.default.svc.two")?.cluster, "two");
  assert.equal(made.byHost("10.96.0.7")?.cluster, "one");
  assert.equal(made.byHost("::ffff:10.96.0.7")?.cluster, "one");
  assert.equal(made.byHost("internet.test"), undefined);
  assert.equal(made.byHost("10.0.0.1"), undefined);
});

Deno.test("of an ExternalName that leads nowhere, the reason is known", () => {
  const made = directory();
  const alias = { namespace: "default", addresses: [], ports: [] };
  made.setZone({
    cluster: "one",
    context: "one",
    clusterDomain: "cluster.local",
    namespace: "default",
    services: [
      { ...alias, name: "address", externalName: "203.0.113.9" },
      { ...alias, name: "ring", externalName: "ring.default.svc.cluster.local" },
    ],
  });
  assert.equal(made.byHost("address"), undefined);
  assert.match(made.whyNowhere("address") ?? "", /203\.0\.113\.9 looks like an address/);
  assert.match(made.whyNowhere("ring.default.svc") ?? "", /in a circle/);
  assert.equal(made.whyNowhere("internet.test"), undefined);
});
