import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { Mode } from "../../wire/control.ts";
import { fakeHelper, fakeListeners } from "../testing/helper.ts";
import { FakeLaptopCluster } from "../testing/laptop_cluster.ts";
import type { AddressChange } from "../../dataplane/plane.ts";
import type { ZoneChange, ZoneData } from "../../names/zone/zone_data.ts";
import { Failure } from "../failure.ts";
import { Laptop } from "./laptop.ts";

const clusterOf = (id: string, mode: Mode, ...addresses: string[]) =>
  new FakeLaptopCluster(id, mode, { echo: addresses });

/** What the laptop offers for these clusters, with a fake helper and a fake data plane. */
function laptopOf(...clusters: FakeLaptopCluster[]) {
  const refuses = new Map<string, string>();
  const helper = fakeHelper((request) => {
    if (request.ask !== "capture") return undefined;
    const refused = request.add.flatMap(({ address }) => {
      const why = refuses.get(address);
      return why === undefined ? [] : [{ address, why }];
    });
    return { ok: true, refused };
  });
  const listeners = fakeListeners();
  const told = {
    addresses: new Map<string, Set<string>>(),
    services: new Map<string, Set<string>>(),
    changes: 0,
    proxy: 0,
  };
  const data = {
    listen: (address: string) => Promise.resolve([listeners.listen(address)]),
    unlisten: () => Promise.resolve(listeners.unlisten()),
    takesUdp: () => Promise.resolve(true),
    carryUdp: () => Promise.resolve(),
    datagrams: () => Promise.resolve(),
    callersClosed: () => Promise.resolve(),
    changeAddresses({ cluster, added, removed, areVirtual }: AddressChange) {
      if (areVirtual) return Promise.resolve();
      const addresses = told.addresses.get(cluster) ?? new Set();
      told.addresses.set(cluster, addresses.union(new Set(added.keys())).difference(new Set(removed)));
      told.changes += added.size + removed.length;
      return Promise.resolve();
    },
    setZone({ cluster, services }: ZoneData) {
      told.services.set(cluster, new Set(services.map(({ name }) => name)));
      return Promise.resolve();
    },
    changeNames({ cluster, set, removed }: ZoneChange) {
      const services = told.services.get(cluster) ?? new Set();
      const gone = new Set(removed.map(({ name }) => name));
      told.services.set(cluster, services.union(new Set(set.map(({ name }) => name))).difference(gone));
      return Promise.resolve();
    },
    setCustomDomains: () => Promise.resolve(),
    setCaptured: () => Promise.resolve(),
    hideOwn() {},
    addRefused: () => Promise.resolve(),
    serveProxy(port: number) {
      if (port === 1) return Promise.reject(new Error("permission denied"));
      told.proxy = port || 1080;
      return Promise.resolve(`127.0.0.1:${told.proxy}`);
    },
    endProxy: () => (told.proxy = 0, Promise.resolve()),
  };
  const unasked = () => assert.fail("no worker is started here");
  const log: string[] = [];
  const laptop = new Laptop(
    { helperSocket: helper.path, startWorker: unasked, log: (_level, message) => void log.push(message) },
    data,
    () => clusters,
    { custom: () => [], allowed: () => [] },
  );
  return {
    laptop,
    helper,
    refuses,
    listeners,
    told,
    log,
    captured: () =>
      helper.asked.flatMap((one) => one.ask === "capture" ? one.add.map(({ address }) => address) : []),
    async [Symbol.asyncDispose]() {
      await laptop.endCapture();
      await laptop.endProxy();
      await helper[Symbol.asyncDispose]();
    },
  };
}

const conflict = (text: RegExp) => (error: unknown) =>
  error instanceof Failure && error.code === "conflict" && text.test(error.message);

Deno.test("only what clusters that are captured have is captured", async () => {
  await using to = laptopOf(
    clusterOf("dev", "capture", "10.96.0.7"),
    clusterOf("prod", "proxy", "10.96.0.8"),
  );
  const capture = await to.laptop.capture();
  assert.equal(capture.routes, 1);
  assert.deepEqual(to.captured(), ["10.96.0.7"]);
  assert.equal(await to.laptop.capture(), capture, "it's there already");
});

Deno.test("a helper that no `up` comes to is ended, and one that captures stays", async () => {
  const dev = clusterOf("dev", "capture", "10.96.0.7");
  await using to = laptopOf(dev);
  await to.laptop.endUnclaimedHelper();
  await until("it was let go", () => to.helper.left === 1);
  const capture = await to.laptop.capture();
  await to.laptop.endUnclaimedHelper();
  assert.equal(to.laptop.hostCapture, capture);
  assert.equal(to.helper.left, 1);
});

Deno.test("a cluster with intercepts only doesn't stand before another that has its addresses", async () => {
  const own = clusterOf("dev", "intercept", "10.96.0.7");
  await using to = laptopOf(own);
  to.laptop.modeChanged(own);
  to.laptop.publish(own, own.set("late", "10.96.0.8"));
  own.connection.mode = "proxy";
  to.laptop.modeChanged(own);
  await until("it's told", () => to.told.addresses.has("dev"));
  assert.deepEqual(to.told.addresses.get("dev"), new Set(["10.96.0.7", "10.96.0.8"]));
  assert.equal(to.told.changes, 2, "not before it was reached");
  own.connection.mode = "intercept";
  to.laptop.modeChanged(own);
  await until("it's taken back", () => to.told.addresses.get("dev")?.size === 0);
});

Deno.test("a change of one Service tells of one Service, wherever it's known", async () => {
  const dev = clusterOf("dev", "proxy", "10.96.0.7");
  await using to = laptopOf(dev);
  to.laptop.modeChanged(dev);
  to.laptop.publish(dev, dev.set("late", "10.96.0.8"));
  await until("its address is told", () => to.told.addresses.get("dev")?.has("10.96.0.8") === true);
  assert.equal(to.told.changes, 2);
  assert.equal(to.told.services.size, 0, "names are told only while there is a proxy");
  await to.laptop.proxy(0);
  await until("all names are told", () => to.told.services.get("dev")?.size === 2);
  to.laptop.publish(dev, dev.delete("late"));
  await until("one is gone", () => to.told.services.get("dev")?.size === 1);
  assert.deepEqual(to.told.addresses.get("dev"), new Set(["10.96.0.7"]));
});

Deno.test("a Service's address that isn't captured is answered by a virtual one, and status has the reason", async () => {
  const dev = new FakeLaptopCluster("dev", "capture", { echo: ["10.96.0.7", "fd00::7"], evil: ["8.8.8.8"] });
  dev.index.refused.set("default/worse", [{ address: "100.100.100.200", why: "the metadata service" }]);
  await using to = laptopOf(dev);
  to.refuses.set("8.8.8.8", "public");
  const addresses = () => to.laptop.namesOf(dev).map(({ name, addresses }) => [name, addresses]);
  const capture = await to.laptop.capture();
  const virtual = capture.reachedAt("dev", "8.8.8.8") ?? "";
  assert.match(virtual, /^198\.19\./);
  assert.deepEqual(addresses(), [["echo", ["10.96.0.7", "fd00::7"]], ["evil", [virtual]]]);
  assert.deepEqual(to.laptop.virtual(dev), [
    { service: "default/evil", address: "8.8.8.8", virtual, why: "public" },
  ]);
  assert.deepEqual(
    to.laptop.unreachable(dev).map(({ service, address, why }) => ({ service, address, why })),
    [
      { service: "default/worse", address: "100.100.100.200", why: "the metadata service" },
    ],
  );
  assert.deepEqual(to.laptop.namesOf(dev, "proxy")[1]?.addresses, ["8.8.8.8"], "the proxy reaches it");
  assert.equal(to.laptop.unreachable(dev, "proxy").length, 1);
  to.refuses.clear();
  await to.laptop.capture();
  assert.deepEqual(addresses(), [["echo", ["10.96.0.7", "fd00::7"]], ["evil", ["8.8.8.8"]]]);
  assert.equal(to.laptop.unreachable(dev).length, 1);
});

Deno.test("an ExternalName that leads nowhere is said to, with or without capture", async () => {
  const dev = clusterOf("dev", "intercept", "10.96.0.7");
  dev.alias("there", "echo.default.svc.cluster.local");
  dev.alias("outside", "example.com");
  dev.alias("gone", "nosuch.default.svc.cluster.local");
  dev.alias("ring", "round.default.svc.cluster.local");
  dev.alias("round", "ring.default.svc.cluster.local");
  dev.alias("address", "192.0.2.7");
  dev.alias("domain", "shop.example");
  await using to = laptopOf(dev);
  const problems = await to.laptop.problems(dev);
  assert.deepEqual([...problems.keys()].sort(), [
    "default/address",
    "default/gone",
    "default/ring",
    "default/round",
  ]);
  assert.match(problems.get("default/ring")?.[0] ?? "", /lead in a circle: round\..* -> ring\..* -> round\./);
  assert.match(
    problems.get("default/gone")?.[0] ?? "",
    /^nosuch\.default\.svc\.cluster\.local doesn't exist/,
  );
});

Deno.test("of two clusters with one address, the second's name leads to a virtual one", async () => {
  const [dev, prod] = [clusterOf("dev", "capture", "10.96.0.7"), clusterOf("prod", "capture", "10.96.0.7")];
  await using to = laptopOf(dev, prod);
  await to.laptop.capture();
  assert.deepEqual(to.laptop.namesOf(dev)[0]?.addresses, ["10.96.0.7"]);
  assert.match(to.laptop.namesOf(prod)[0]?.addresses.join() ?? "", /^198\.19\.\d+\.\d+$/);
  assert.deepEqual(to.laptop.unreachable(prod), []);
  assert.match(to.laptop.virtual(prod)[0]?.why ?? "", /cluster dev has the same address/);
  await to.laptop.remove("dev");
  assert.deepEqual(to.laptop.namesOf(prod)[0]?.addresses, ["10.96.0.7"]);
});

Deno.test("a helper that goes takes its captures along; the next up connects to another", async () => {
  await using to = laptopOf(clusterOf("dev", "capture", "10.96.0.7"));
  const capture = await to.laptop.capture();
  to.helper.die();
  await until("it's noticed", () => to.laptop.hostCapture === undefined);
  await until("nothing is listened for", () => to.listeners.addresses.length === 0);
  assert.deepEqual(to.log, ["the root helper is gone: nothing is captured any more"]);
  assert.notEqual(await to.laptop.capture(), capture);
  assert.deepEqual(to.captured(), ["10.96.0.7", "10.96.0.7"]);
});

Deno.test("releasing the helper is not logged as a loss", async () => {
  await using to = laptopOf(clusterOf("dev", "capture", "10.96.0.7"));
  await to.laptop.capture();
  assert.deepEqual(await to.laptop.endCapture(), []);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(to.log, []);
});

Deno.test("the proxy has one address, which every request for it gets", async () => {
  await using to = laptopOf();
  await assert.rejects(to.laptop.proxy(1), conflict(/can't listen on port 1/));
  assert.equal(await to.laptop.proxy(8080), "127.0.0.1:8080");
  assert.equal(await to.laptop.proxy(0), "127.0.0.1:8080");
  assert.equal(await to.laptop.proxy(8080), "127.0.0.1:8080");
  await assert.rejects(to.laptop.proxy(80), conflict(/served already, on 127\.0\.0\.1:8080/));
});

Deno.test("what an up has added is let go of, and what was there stays", async () => {
  const dev = clusterOf("dev", "proxy", "10.96.0.7");
  const prod = clusterOf("prod", "capture", "10.96.0.8");
  await using to = laptopOf(dev, prod);
  const capture = await to.laptop.capture();
  const before = to.laptop.before(dev);
  dev.connection.mode = "capture";
  await to.laptop.capture();
  await to.laptop.proxy(0);
  assert.equal(capture.routes, 2);
  dev.connection.mode = "proxy";
  await to.laptop.release(dev, before);
  assert.equal(capture.routes, 1);
  assert.equal(to.laptop.hostCapture, capture, "another cluster is captured");
  assert.equal(to.laptop.proxyAddress, undefined);
});
