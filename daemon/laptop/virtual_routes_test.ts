import assert from "node:assert/strict";
import { LIMIT_REACHED } from "../../wire/helper.ts";
import { FakeLaptopCluster } from "../testing/laptop_cluster.ts";
import { type RouteHelper, RouteProgrammer } from "./route_programmer.ts";
import { VirtualAddresses } from "./virtual_addresses.ts";
import { VirtualRoutes } from "./virtual_routes.ts";

/** Routes with a helper that refuses what `refuses` says, on a machine with these families. */
function routesOf(
  refuses: (address: string, captured: ReadonlyMap<string, unknown>) => string | undefined,
  families: (4 | 6)[] = [4, 6],
) {
  const captured = new Map<string, unknown>();
  const helper: RouteHelper = {
    capture(addresses) {
      const refused = new Map<string, string>();
      for (const [address, ports] of addresses) {
        const why = refuses(address, captured);
        if (why === undefined) captured.set(address, ports);
        else refused.set(address, why);
      }
      return Promise.resolve(refused);
    },
    release(addresses) {
      for (const address of addresses) captured.delete(address);
      return Promise.resolve(new Map());
    },
  };
  const routes = new RouteProgrammer(helper, new Set(families));
  const clusters = new Map<string, FakeLaptopCluster>();
  const told = new Map<string, string>();
  const virtual = new VirtualRoutes({
    virtual: new VirtualAddresses({ place: () => 0 }),
    routes,
    clusters,
    data: {
      changeAddresses({ cluster, added, removed }) {
        for (const address of removed) told.delete(address);
        for (const [address, own] of added) told.set(address, `${own} of ${cluster}`);
        return Promise.resolve();
      },
    },
  });
  return {
    routes,
    virtual,
    clusters,
    told,
    captured,
    async add(cluster: FakeLaptopCluster): Promise<void> {
      clusters.set(cluster.id, cluster);
      await routes.add({ id: cluster.id, accepts: () => false, ...virtual.routed(cluster) });
      await virtual.settle(new Set(cluster.index.addresses.keys()));
    },
    async change({ addresses }: { readonly addresses: ReadonlySet<string> }): Promise<void> {
      await routes.change(addresses);
      await virtual.settle(addresses);
    },
    async remove({ id }: FakeLaptopCluster): Promise<void> {
      clusters.delete(id);
      const moved = await routes.remove(id);
      await virtual.remove(id);
      await virtual.settle(moved);
    },
  };
}

const clusterOf = (id: string, ...addresses: string[]) =>
  new FakeLaptopCluster(id, "capture", { echo: addresses });

Deno.test("what two clusters have is captured for the first as it is, and for the second by a virtual address", async () => {
  const to = routesOf(() => undefined);
  const [one, two] = [clusterOf("one", "10.96.0.7"), clusterOf("two", "10.96.0.7", "10.96.0.8")];
  await to.add(one);
  await to.add(two);
  two.serve("10.96.0.7", [{ protocol: "tcp", port: 80, served: true }]);
  await to.change({ addresses: new Set(["10.96.0.7"]) });
  assert.equal(to.virtual.reachedAt("one", "10.96.0.7"), "10.96.0.7");
  assert.equal(to.virtual.reachedAt("two", "10.96.0.7"), "198.19.0.1");
  assert.equal(to.virtual.reachedAt("two", "10.96.0.8"), "10.96.0.8");
  assert.deepEqual([...to.told], [["198.19.0.1", "10.96.0.7 of two"]]);
  assert.deepEqual(to.captured.get("198.19.0.1"), [{ protocol: "tcp", port: 80, served: true }]);
  assert.equal(to.captured.get("10.96.0.7"), "any", "the first one's ports");
});

Deno.test("a virtual address stays captured when the own one can be, and goes with the address", async () => {
  const to = routesOf(() => undefined);
  const [one, two] = [clusterOf("one", "10.96.0.7"), clusterOf("two", "10.96.0.7")];
  await to.add(one);
  await to.add(two);
  await to.remove(one);
  assert.equal(to.virtual.reachedAt("two", "10.96.0.7"), "10.96.0.7");
  assert.ok(to.captured.has("198.19.0.1"), "connections by it stay open");
  await to.add(one);
  assert.equal(to.virtual.reachedAt("two", "10.96.0.7"), "10.96.0.7", "it was captured first");
  assert.equal(to.virtual.reachedAt("one", "10.96.0.7"), "198.19.0.2");
  await to.change(two.delete("echo"));
  assert.deepEqual([...to.captured.keys()].sort(), ["10.96.0.7", "198.19.0.2"]);
  assert.deepEqual([...to.told.keys()], ["198.19.0.2"]);
});

Deno.test("an address that goes and comes back at once keeps its virtual address", async () => {
  const to = routesOf(() => undefined);
  const [one, two] = [clusterOf("one", "10.96.0.7"), clusterOf("two", "10.96.0.7")];
  await to.add(one);
  await to.add(two);
  const gone = to.virtual.settle(two.delete("echo").addresses);
  await Promise.all([gone, to.virtual.settle(two.set("echo", "10.96.0.7").addresses)]);
  assert.equal(to.virtual.reachedAt("two", "10.96.0.7"), "198.19.0.1");
  assert.ok(to.captured.has("198.19.0.1"));
  assert.deepEqual([...to.told], [["198.19.0.1", "10.96.0.7 of two"]]);
});

Deno.test("a cluster that comes back gets the virtual addresses that it had", async () => {
  const to = routesOf(() => undefined);
  const [one, two, three] = ["one", "two", "three"].map((id) => clusterOf(id, "10.96.0.7"));
  assert.ok(one && two && three);
  await to.add(one);
  await to.add(two);
  await to.remove(two);
  assert.deepEqual([...to.captured.keys()], ["10.96.0.7"]);
  assert.deepEqual([...to.told.keys()], []);
  await to.add(three);
  await to.add(two);
  assert.equal(to.virtual.reachedAt("three", "10.96.0.7"), "198.19.0.2");
  assert.equal(to.virtual.reachedAt("two", "10.96.0.7"), "198.19.0.1");
});

Deno.test("an address that a virtual one is of another cluster isn't captured as it is", async () => {
  const to = routesOf(() => undefined);
  const [one, two, late] = [
    clusterOf("one", "10.96.0.7"),
    clusterOf("two", "10.96.0.7"),
    clusterOf("late", "198.19.0.1"),
  ];
  await to.add(one);
  await to.add(two);
  await to.add(late);
  assert.equal(to.virtual.reachedAt("two", "10.96.0.7"), "198.19.0.1");
  assert.equal(to.virtual.reachedAt("late", "198.19.0.1"), "100.126.0.1");
  assert.equal(to.told.get("100.126.0.1"), "198.19.0.1 of late");
});

Deno.test("virtual addresses come from a range that no cluster uses, where there is one", async () => {
  const to = routesOf(() => undefined);
  const [eks, two] = [clusterOf("eks", "10.96.0.7"), clusterOf("two", "10.96.0.7")];
  eks.serve("198.19.44.5", "any");
  await to.add(eks);
  await to.add(two);
  assert.equal(to.virtual.reachedAt("two", "10.96.0.7"), "100.126.0.1");
});

Deno.test("where the ports of Services are as many as may be, a virtual address is asked for once at a time", async () => {
  let asked = 0;
  const to = routesOf((address) => {
    if (address.startsWith("34.")) return "public";
    asked++;
    return "too many ports of Services: the limit";
  });
  await to.add(clusterOf("gke", "34.118.224.1"));
  assert.equal(asked, 1);
});

Deno.test("where the machine has a route to the virtual range, they come from another one", async () => {
  const to = routesOf((address) =>
    address.startsWith("34.")
      ? "public, and in no range that was accepted for this cluster"
      : address.startsWith("198.")
      ? "in 198.18.0.0/15, which this machine has a route to (tun0)"
      : undefined
  );
  await to.add(clusterOf("gke", "34.118.224.1", "34.118.224.2"));
  assert.equal(to.virtual.reachedAt("gke", "34.118.224.1"), "100.126.0.1");
  assert.equal(to.virtual.reachedAt("gke", "34.118.224.2"), "100.126.0.2");
  assert.deepEqual([...to.told.keys()].sort(), ["100.126.0.1", "100.126.0.2"]);
  assert.deepEqual([...to.routes.refused.keys()], ["34.118.224.1", "34.118.224.2"]);
});

Deno.test("virtual addresses that the machine comes to use are replaced", async () => {
  let isUsed = false;
  const why = "in 198.19.0.0/16, a network that this machine is in (br-x)";
  const to = routesOf((address) =>
    address.startsWith("34.") ? "public" : isUsed && address.startsWith("198.") ? why : undefined
  );
  await to.add(clusterOf("gke", "34.118.224.1"));
  isUsed = true;
  const released = new Map([["198.19.0.1", why], ["10.96.0.1", why]]);
  to.routes.released(released);
  const need = await to.virtual.released(released);
  assert.deepEqual([...need], ["34.118.224.1"]);
  assert.equal(to.virtual.reachedAt("gke", "34.118.224.1"), undefined);
  const moved = await to.virtual.settle(need);
  assert.deepEqual([...moved].sort(), ["100.126.0.1", "34.118.224.1"]);
  assert.equal(to.virtual.reachedAt("gke", "34.118.224.1"), "100.126.0.1");
});

Deno.test("where virtual addresses are refused too, it is said, and they are asked for again later", async () => {
  let isUsed = true;
  const to = routesOf((address) => address.startsWith("34.") || isUsed ? "in use, all of it" : undefined);
  await to.add(clusterOf("gke", "34.118.224.1"));
  assert.match(to.virtual.problem("gke", "34.118.224.1") ?? "", /its virtual address isn't captured: in use/);
  assert.deepEqual([...to.told.keys()], []);
  assert.deepEqual(to.virtual.without(), ["34.118.224.1"]);
  isUsed = false;
  await to.virtual.settle(new Set(to.virtual.without()));
  assert.ok(to.virtual.reachedAt("gke", "34.118.224.1"));
  assert.deepEqual(to.virtual.without(), []);
});

Deno.test("where the helper captures as many addresses as may be, a virtual one is asked for once at a time", async () => {
  let asked = 0;
  const to = routesOf((address) => {
    if (address.startsWith("34.")) return "public";
    asked++;
    return `20,000 ${LIMIT_REACHED}`;
  });
  await to.add(clusterOf("gke", "34.118.224.1"));
  assert.equal(asked, 1);
  assert.match(to.virtual.problem("gke", "34.118.224.1") ?? "", /the limit/);
});

Deno.test("those without a virtual address are looked at in turn, some at a time", async () => {
  const to = routesOf((address) => address.startsWith("34.") ? "public" : "in use, all of it");
  await to.add(clusterOf("gke", "34.118.224.1", "34.118.224.2", "34.118.224.3"));
  assert.deepEqual(to.virtual.without(2), ["34.118.224.1", "34.118.224.2"]);
  await to.virtual.settle(new Set(to.virtual.without(2)));
  assert.deepEqual(to.virtual.without(2), ["34.118.224.3", "34.118.224.1"]);
});

Deno.test("what makes room for a virtual address has moved, and what a virtual one that has moved stands for", async () => {
  const to = routesOf((address, captured) =>
    captured.size >= 2 && !captured.has(address) ? `2 ${LIMIT_REACHED}` : undefined
  );
  const [one, two] = [clusterOf("one", "10.96.0.7", "10.244.0.1"), clusterOf("two", "10.96.0.7")];
  for (const cluster of [one, two]) {
    cluster.serve("10.96.0.7", [{ protocol: "tcp", port: 80, served: true }]);
  }
  await to.add(one);
  await to.add(two);
  assert.deepEqual([...to.captured.keys()].sort(), ["10.96.0.7", "198.19.0.1"]);
  await to.remove(two);
  await to.routes.retry();
  to.clusters.set("two", two);
  await to.routes.add({ id: "two", accepts: () => false, ...to.virtual.routed(two) });
  const moved = await to.virtual.settle(new Set(["10.96.0.7"]));
  assert.deepEqual([...moved].sort(), ["10.244.0.1", "10.96.0.7", "198.19.0.1"]);
  assert.deepEqual([...await to.virtual.settle(new Set(["198.19.0.1"]))], ["10.96.0.7"]);
});

Deno.test("a cluster that goes leaves what others wait for, whatever their names", async () => {
  const to = routesOf((address) => address.startsWith("34.") ? "public" : "in use, all of it");
  const [one, other] = [clusterOf("dev", "34.118.224.1"), clusterOf("my dev", "34.118.224.2")];
  await to.add(one);
  await to.add(other);
  await to.remove(one);
  assert.deepEqual(to.virtual.without(), ["34.118.224.2"]);
});

Deno.test("an IPv6 address has a virtual one only where its Service has no IPv4 address", async () => {
  const to = routesOf(() => undefined, [4]);
  const cluster = new FakeLaptopCluster("six", "capture", {
    both: ["10.96.0.7", "fd00::7"],
    only: ["fd00::8"],
  });
  await to.add(cluster);
  assert.equal(to.virtual.reachedAt("six", "fd00::7"), undefined);
  assert.equal(to.virtual.reachedAt("six", "fd00::8"), "198.19.0.1");
});

Deno.test("what no name leads to has no virtual address", async () => {
  const to = routesOf(() => undefined);
  const one = clusterOf("one", "10.244.0.7");
  const two = new FakeLaptopCluster("two", "capture");
  two.serve("10.244.0.7", "any");
  await to.add(one);
  await to.add(two);
  assert.deepEqual([...to.captured.keys()], ["10.244.0.7"]);
});
