import assert from "node:assert/strict";
import fc from "fast-check";
import type { CapturedPorts } from "../../wire/helper.ts";
import { type RouteHelper, RouteProgrammer } from "./route_programmer.ts";

const ports = (...served: number[]): CapturedPorts =>
  served.map((port) => ({ protocol: "tcp", port, served: true }));
const both: ReadonlySet<4 | 6> = new Set([4, 6]);

/** A helper that remembers what it captures; it refuses what `refuses` says. */
function fakeHelper(refuses: (address: string) => string | undefined = () => undefined) {
  const captured = new Map<string, CapturedPorts>();
  const asked: string[] = [];
  const helper: RouteHelper = {
    async capture(addresses) {
      await Promise.resolve();
      asked.push(`capture ${[...addresses.keys()].join(" ")}`);
      const refused = new Map<string, string>();
      for (const [address, ports] of addresses) {
        const why = refuses(address);
        if (why) refused.set(address, why);
        else captured.set(address, ports);
      }
      return refused;
    },
    async release(addresses) {
      await Promise.resolve();
      asked.push(`release ${addresses.join(" ")}`);
      for (const address of addresses) assert.ok(captured.delete(address), `${address} isn't captured`);
    },
  };
  return { helper, captured, asked };
}

/** A cluster whose addresses change by `set`, which gives those that have. */
function clusterOf(id: string, first: Record<string, CapturedPorts> = {}) {
  const addresses = new Map(Object.entries(first));
  return {
    id,
    addresses,
    set(now: Record<string, CapturedPorts>): Set<string> {
      const before = new Set(addresses.keys());
      addresses.clear();
      for (const [address, ports] of Object.entries(now)) addresses.set(address, ports);
      return before.union(new Set(addresses.keys()));
    },
  };
}

Deno.test("the helper is asked for what has changed, and for nothing else", async () => {
  const { helper, captured, asked } = fakeHelper();
  const routes = new RouteProgrammer(helper, both);
  const one = clusterOf("one", { a: ports(80), b: "any", c: "any" });
  assert.deepEqual([...await routes.add(one)], ["a", "b", "c"]);
  const moved = await routes.change(one.set({ a: ports(80), b: ports(81), d: "any" }));
  assert.deepEqual([...moved].sort(), ["c", "d"], "b leads where it did, with other ports");
  assert.equal((await routes.change(["a", "b", "d"])).size, 0);
  assert.deepEqual(asked, ["capture a b c", "release c", "capture b d"]);
  assert.deepEqual([...captured].sort(), [["a", ports(80)], ["b", ports(81)], ["d", "any"]]);
  assert.equal(routes.size, 3);
});

Deno.test("an address that isn't said to have changed isn't looked at", async () => {
  const { helper, asked } = fakeHelper();
  const routes = new RouteProgrammer(helper, both);
  const one = clusterOf("one", { a: "any", b: "any" });
  await routes.add(one);
  one.set({ a: ports(1), b: ports(1) });
  await routes.change(["b"]);
  assert.deepEqual(asked, ["capture a b", "capture b"]);
});

Deno.test("an address of two clusters leads to the first, and to the second when that goes", async () => {
  const { helper, captured } = fakeHelper();
  const routes = new RouteProgrammer(helper, both);
  const one = clusterOf("one", { a: ports(1) });
  await routes.add(one);
  await routes.add(clusterOf("two", { a: ports(2), b: "any" }));
  assert.deepEqual(captured.get("a"), ports(1));
  assert.deepEqual([routes.isCaptured("one", "a"), routes.isCaptured("two", "a")], [true, false]);
  assert.match(routes.refusal("two", "a") ?? "", /cluster one has the same address/);
  await routes.change(one.set({ a: ports(3) }));
  assert.deepEqual(captured.get("a"), ports(3));
  assert.deepEqual([...await routes.remove("one")], ["a"]);
  assert.deepEqual(captured.get("a"), ports(2));
  assert.ok(routes.isCaptured("two", "a"));
  await routes.remove("two");
  assert.equal(captured.size, 0);
});

Deno.test("a refused address is told with its reason, and asked for again when its cluster is added again", async () => {
  let refuses = true;
  const { helper, asked } = fakeHelper((address) =>
    refuses && address === "lan" ? "it's on-link" : undefined
  );
  const told: [string, string][] = [];
  const routes = new RouteProgrammer(helper, both, (refused) => void told.push(...refused));
  const one = clusterOf("one", { lan: "any", a: "any" });
  assert.deepEqual([...await routes.add(one)], ["a"]);
  assert.deepEqual(told, [["lan", "it's on-link"]]);
  assert.equal(routes.refusal("one", "lan"), "it's on-link");
  await routes.change(one.set({ lan: ports(80), a: "any" }));
  assert.deepEqual([...routes.refused], [["lan", "it's on-link"]]);
  refuses = false;
  assert.deepEqual([...await routes.add(one)], ["lan"]);
  assert.equal(routes.refusal("one", "lan"), undefined);
  assert.deepEqual(asked, ["capture lan a", "capture lan"]);
});

Deno.test("refused addresses are asked for again some at a time, and only what is new of them is told", async () => {
  const reasons = new Map([["a", "on-link"], ["b", "on-link"], ["c", "on-link"]]);
  const { helper, asked } = fakeHelper((address) => reasons.get(address));
  const told: string[] = [];
  const routes = new RouteProgrammer(
    helper,
    both,
    (refused) => void told.push([...refused].map((one) => one.join(" ")).join(", ")),
  );
  await routes.add(clusterOf("one", { a: "any", b: "any", c: "any" }));
  assert.equal((await routes.retry(2)).size, 0);
  reasons.delete("c");
  reasons.set("a", "a gateway");
  assert.deepEqual([...await routes.retry(2)], ["c"]);
  assert.deepEqual([...await routes.retry(2)], []);
  assert.deepEqual(asked, ["capture a b c", "capture a b", "capture c a", "capture b a"]);
  assert.deepEqual(told, ["a on-link, b on-link, c on-link", "a a gateway"]);
  assert.deepEqual([...routes.refused.keys()].sort(), ["a", "b"]);
});

Deno.test("a refused address that a cluster has lost and got again is asked for again", async () => {
  const { helper, asked } = fakeHelper((address) => address === "lan" ? "it's on-link" : undefined);
  const routes = new RouteProgrammer(helper, both);
  const one = clusterOf("one", { lan: "any" });
  await routes.add(one);
  await routes.change(one.set({}));
  assert.equal(routes.refused.size, 0);
  await routes.change(one.set({ lan: "any" }));
  assert.deepEqual(asked, ["capture lan", "capture lan"]);
});

Deno.test("an address that the helper has released by itself leads nowhere until it's asked for again", async () => {
  const { helper, captured } = fakeHelper();
  const routes = new RouteProgrammer(helper, both);
  await routes.add(clusterOf("one", { a: "any" }));
  captured.delete("a");
  assert.deepEqual([...routes.released(["a", "b"], "a nameserver")], ["a"]);
  assert.equal(routes.refusal("one", "a"), "a nameserver");
  assert.deepEqual([...await routes.retry(1)], ["a"]);
  assert.ok(routes.isCaptured("one", "a"));
});

Deno.test("addresses of a family that isn't listened for are not asked for, and that is their reason", async () => {
  const { helper, asked } = fakeHelper();
  const routes = new RouteProgrammer(helper, new Set([4]));
  await routes.add(clusterOf("one", { "10.96.0.7": "any", "fd00::7": "any" }));
  assert.deepEqual(asked, ["capture 10.96.0.7"]);
  assert.equal(routes.refusal("one", "fd00::7"), "this machine has no IPv6");
});

Deno.test("changes that come together end as the last one wants it, and it's known what leads where", async () => {
  const addresses = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"));
  const change = fc.record({ cluster: fc.constantFrom(0, 1), addresses });
  await fc.assert(fc.asyncProperty(fc.array(change, { maxLength: 8 }), async (changes) => {
    const { helper, captured } = fakeHelper();
    const routes = new RouteProgrammer(helper, both);
    const clusters = [clusterOf("one"), clusterOf("two")];
    await Promise.all(clusters.map((cluster) => routes.add(cluster)));
    const leads = new Map<string, string | undefined>();
    const asTold = (moved: ReadonlySet<string>) => {
      for (const address of moved) {
        leads.set(address, clusters.find(({ id }) => routes.isCaptured(id, address))?.id);
      }
    };
    await Promise.all(changes.map(async ({ cluster, addresses }) => {
      const now = Object.fromEntries(addresses.map((address) => [address, "any" as const]));
      asTold(await routes.change(clusters[cluster]?.set(now) ?? []));
    }));
    assert.deepEqual(
      new Set(captured.keys()),
      new Set(clusters.flatMap((cluster) => [...cluster.addresses.keys()])),
    );
    for (const address of ["a", "b", "c", "d"]) {
      const first = clusters.find((cluster) => cluster.addresses.has(address))?.id;
      assert.equal(leads.get(address), first, address);
    }
  }));
});

Deno.test("a helper that fails fails the change, and the next one tries again", async () => {
  const { helper, captured } = fakeHelper();
  let fails = true;
  const routes = new RouteProgrammer({
    ...helper,
    capture: (addresses) => fails ? Promise.reject(new Error("gone")) : helper.capture(addresses),
  }, both);
  const one = clusterOf("one", { a: "any" });
  await assert.rejects(routes.add(one), /gone/);
  fails = false;
  one.set({ a: "any", b: "any" });
  await routes.change(["b"]);
  assert.deepEqual([...captured.keys()].sort(), ["a", "b"]);
});
