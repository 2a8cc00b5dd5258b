import assert from "node:assert/strict";
import fc from "fast-check";
import { type CapturedPorts, LIMIT_REACHED } from "../../wire/helper.ts";
import { type RouteHelper, RouteProgrammer } from "./route_programmer.ts";

const ports = (...served: number[]): CapturedPorts =>
  served.map((port) => ({ protocol: "tcp", port, served: true }));
const both: ReadonlySet<4 | 6> = new Set([4, 6]);

/** A helper that remembers what it captures; it refuses what `refuses` says. */
function fakeHelper(refuses: (address: string) => string | undefined = () => undefined) {
  const captured = new Map<string, CapturedPorts>();
  const asked: string[] = [];
  const helper: RouteHelper = {
    async capture(addresses, accepted) {
      await Promise.resolve();
      const all = [...addresses.keys()].map((one) => accepted.has(one) ? `${one} (accepted)` : one);
      asked.push(`capture ${all.join(" ")}`);
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
      for (const address of addresses) captured.delete(address);
      return new Map();
    },
  };
  return { helper, captured, asked };
}

/** A cluster whose addresses change by `set`, which gives those that have. */
function clusterOf(id: string, first: Record<string, CapturedPorts> = {}) {
  const addresses = new Map(Object.entries(first));
  const accepted = new Set<string>();
  return {
    id,
    addresses,
    accepted,
    accepts: (address: string) => accepted.has(address),
    set(now: Record<string, CapturedPorts>): Set<string> {
      const before = new Set(addresses.keys());
      addresses.clear();
      for (const [address, ports] of Object.entries(now)) addresses.set(address, ports);
      return before.union(new Set(addresses.keys()));
    },
  };
}

/** A helper that captures so many addresses and no more. */
function fullHelper(most: number) {
  const captured = new Set<string>();
  const helper: RouteHelper = {
    capture(addresses) {
      const refused = new Map<string, string>();
      for (const address of addresses.keys()) {
        if (captured.has(address) || captured.size < most) captured.add(address);
        else refused.set(address, `${most} ${LIMIT_REACHED}`);
      }
      return Promise.resolve(refused);
    },
    release(addresses) {
      for (const address of addresses) captured.delete(address);
      return Promise.resolve(new Map());
    },
  };
  return { helper, captured };
}

Deno.test("at the limit Services come before pods, also those that come later", async () => {
  const { helper, captured } = fullHelper(3);
  const routes = new RouteProgrammer(helper, both);
  const pods = { p1: "any", p2: "any", p3: "any" } as const;
  const one = clusterOf("one", { ...pods, a: ports(80) });
  await routes.add(one);
  assert.deepEqual([...captured].sort(), ["a", "p1", "p2"]);
  const moved = await routes.change(one.set({ ...pods, a: ports(80), b: ports(80) }));
  assert.deepEqual([...captured].sort(), ["a", "b", "p1"]);
  assert.deepEqual([...moved].sort(), ["b", "p2"], "names follow");
  assert.match(routes.refusal("one", "p2") ?? "", /the limit$/);
  await routes.change(one.set({ ...pods, a: ports(80), b: ports(80), c: ports(80), d: ports(80) }));
  assert.deepEqual([...captured].sort(), ["a", "b", "c"]);
  assert.deepEqual([...routes.refused.keys()].sort(), ["d", "p1", "p2", "p3"]);
  await routes.change(one.set({ ...pods, a: ports(80) }));
  await routes.retry();
  assert.deepEqual(
    [captured.size, captured.has("a")],
    [3, true],
    "pods are captured again when there is room",
  );
});

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

Deno.test("what is accepted for a cluster counts for it alone, as long as it is", async () => {
  const { helper, asked } = fakeHelper();
  const routes = new RouteProgrammer(helper, both);
  const one = clusterOf("one", { a: "any" });
  await routes.add(one);
  one.accepted.add("a");
  await routes.add(one);
  await routes.add(one);
  one.accepted.delete("a");
  assert.deepEqual([...await routes.add(one)], ["a"], "its names follow");
  one.accepted.add("a");
  await routes.add(one);
  await routes.add(clusterOf("two", { a: "any" }));
  await routes.remove("one");
  assert.equal(routes.leadsTo("a"), "two");
  assert.deepEqual(asked, [
    "capture a",
    "capture a (accepted)",
    "release a",
    "capture a",
    "capture a (accepted)",
    "release a",
    "capture a",
  ]);
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
  assert.deepEqual(asked, ["capture lan", "release lan", "capture lan"]);
});

Deno.test("an address that the helper has released by itself leads nowhere until it's asked for again", async () => {
  const { helper, captured } = fakeHelper();
  const routes = new RouteProgrammer(helper, both);
  await routes.add(clusterOf("one", { a: "any" }));
  captured.delete("a");
  assert.deepEqual([...routes.released(new Map([["a", "a nameserver"], ["b", "a nameserver"]]))], ["a"]);
  assert.equal(routes.refusal("one", "a"), "a nameserver");
  assert.deepEqual([...await routes.retry(1)], ["a"]);
  assert.ok(routes.isCaptured("one", "a"));
});

Deno.test("an address that the helper releases while it is asked for is refused, and asked for again", async () => {
  const { helper, captured, asked } = fakeHelper();
  const routes: RouteProgrammer = new RouteProgrammer({
    ...helper,
    async capture(addresses) {
      const refused = await helper.capture(addresses, new Set());
      if (asked.length === 1) {
        captured.delete("a");
        assert.equal(routes.released(new Map([["a", "a nameserver"]])).size, 0, "no name led there yet");
      }
      return refused;
    },
  }, both);
  assert.deepEqual([...await routes.add(clusterOf("one", { a: "any", b: "any" }))], ["b"]);
  assert.equal(routes.refusal("one", "a"), "a nameserver");
  assert.deepEqual([...await routes.retry(1)], ["a"]);
  assert.deepEqual([...captured.keys()].sort(), ["a", "b"]);
});

Deno.test("a captured address whose new ports are refused keeps those of before, and isn't refused for ever", async () => {
  let refuses = false;
  const { helper, captured } = fakeHelper(() => refuses ? "too many ports" : undefined);
  const routes = new RouteProgrammer(helper, both);
  const one = clusterOf("one", { a: ports(1) });
  await routes.add(one);
  refuses = true;
  await routes.change(one.set({ a: ports(1, 2) }));
  assert.deepEqual([...routes.refused], [["a", "too many ports"]]);
  assert.ok(routes.isCaptured("one", "a"));
  assert.deepEqual(captured.get("a"), ports(1));
  refuses = false;
  await routes.change(one.set({ a: ports(1) }));
  await routes.retry(1);
  assert.equal(routes.refused.size, 0);
});

Deno.test("a captured address whose new ports are refused leads to the next cluster when its own goes", async () => {
  let refuses = false;
  const { helper } = fakeHelper(() => refuses ? "too many ports" : undefined);
  const routes = new RouteProgrammer(helper, both);
  const one = clusterOf("one", { a: ports(1) });
  await routes.add(one);
  await routes.add(clusterOf("two", { a: ports(3) }));
  refuses = true;
  await routes.change(one.set({ a: ports(1, 2) }));
  assert.deepEqual([...await routes.remove("one")], ["a"]);
  assert.ok(routes.isCaptured("two", "a"));
});

Deno.test("an address that couldn't be released is released by a retry", async () => {
  const { helper, captured } = fakeHelper();
  let fails = true;
  const routes = new RouteProgrammer({
    ...helper,
    release: (addresses) =>
      fails
        ? Promise.resolve(new Map(addresses.map((address) => [address, "no buffer space"])))
        : helper.release(addresses),
  }, both);
  const one = clusterOf("one", { a: "any" });
  await routes.add(one);
  assert.deepEqual([...await routes.change(one.set({}))], ["a"]);
  assert.deepEqual([...captured.keys()], ["a"]);
  fails = false;
  await routes.retry(1);
  assert.equal(captured.size, 0);
  assert.equal(routes.refused.size, 0);
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

/** A helper that takes one address at a time, whose requests fail as told, and that releases addresses by itself. */
function unreliableHelper(failures: boolean[]) {
  const captured = new Map<string, CapturedPorts>();
  const request = async (work: () => void): Promise<string | undefined> => {
    await Promise.resolve();
    const why = failures.shift() ? "no buffer space" : undefined;
    if (why === undefined) work();
    await Promise.resolve();
    return why;
  };
  const each = async <T>(all: Iterable<[string, T]>, work: (address: string, of: T) => void) => {
    const refused = new Map<string, string>();
    for (const [address, of] of all) {
      const why = await request(() => work(address, of));
      if (why !== undefined) refused.set(address, why);
    }
    return refused;
  };
  return {
    captured,
    helper: {
      capture: (addresses) => each(addresses, (address, ports) => void captured.set(address, ports)),
      release: (addresses) =>
        each(addresses.map((one) => [one, one]), (address) => void captured.delete(address)),
    } satisfies RouteHelper,
    /** @returns those that were captured */
    async releaseByItself(addresses: readonly string[]): Promise<string[]> {
      await Promise.resolve();
      const released = addresses.filter((address) => captured.delete(address));
      await Promise.resolve();
      return released;
    },
  };
}

const anAddress = fc.constantFrom("a", "b", "c", "d");
const anEvent = fc.oneof(
  fc.record({
    kind: fc.constant("change" as const),
    cluster: fc.constantFrom(0, 1),
    now: fc.dictionary(anAddress, fc.constantFrom<CapturedPorts>("any", ports(1), ports(2))),
  }),
  fc.record({ kind: fc.constant("release" as const), addresses: fc.uniqueArray(anAddress) }),
  fc.record({ kind: fc.constant("retry" as const) }),
  fc.record({ kind: fc.constant("pause" as const), turns: fc.nat(5) }),
);

Deno.test("whatever fails and is released in between, retries bring the helper to what the clusters have", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anEvent, { maxLength: 12 }),
      fc.array(fc.boolean(), { maxLength: 20 }),
      async (events, failures) => {
        const { helper, captured, releaseByItself } = unreliableHelper(failures);
        const routes = new RouteProgrammer(helper, both);
        const clusters = [clusterOf("one"), clusterOf("two")] as const;
        const leads = new Map<string, string | undefined>();
        const leadOf = (address: string) => clusters.find(({ id }) => routes.isCaptured(id, address))?.id;
        const told = (moved: ReadonlySet<string>) => {
          for (const address of moved) leads.set(address, leadOf(address));
        };
        const underWay: Promise<void>[] = clusters.map((cluster) => routes.add(cluster).then(told));
        for (const event of events) {
          if (event.kind === "pause") {
            for (let turn = 0; turn < event.turns; turn++) await Promise.resolve();
          } else if (event.kind === "release") {
            underWay.push(
              releaseByItself(event.addresses).then((released) =>
                told(routes.released(new Map(released.map((address) => [address, "a nameserver"]))))
              ),
            );
          } else if (event.kind === "retry") {
            underWay.push(routes.retry(2).then(told));
          } else {
            const cluster = clusters[event.cluster === 0 ? 0 : 1];
            underWay.push(routes.change(cluster.set(event.now)).then(told));
          }
        }
        await Promise.all(underWay);
        failures.length = 0;
        told(await routes.retry(4));
        const wanted = new Map([...clusters[1].addresses, ...clusters[0].addresses]);
        assert.deepEqual(captured, wanted);
        assert.equal(routes.refused.size, 0);
        for (const address of ["a", "b", "c", "d"]) {
          const first = clusters.find(({ addresses }) => addresses.has(address))?.id;
          assert.deepEqual([leadOf(address), leads.get(address)], [first, first], address);
        }
      },
    ),
    { numRuns: 500 },
  );
});
