import assert from "node:assert/strict";
import { until } from "../../kube/testing/api_server.ts";
import type { Mode } from "../../wire/control.ts";
import type { CapturedPorts } from "../../wire/helper.ts";
import { fakeHelper, fakeListeners } from "../testing/helper.ts";
import type { AddressChange } from "../../dataplane/plane.ts";
import type { ZoneData } from "../../names/zone/zone_data.ts";
import { Failure } from "../failure.ts";
import { Laptop, type LaptopCluster } from "./laptop.ts";

function clusterOf(id: string, mode: Mode, ...addresses: string[]) {
  return {
    id,
    connection: { mode },
    addresses: new Map<string, CapturedPorts>(addresses.map((one) => [one, "any"])),
    zone: {
      cluster: id,
      context: id,
      clusterDomain: "cluster.local",
      namespace: "default",
      services: [{ namespace: "default", name: "echo", addresses, ports: [] }],
    },
  };
}

/** The laptop's side of these clusters, with a fake helper and a fake data plane. */
function laptopOf(...clusters: LaptopCluster[]) {
  const helper = fakeHelper();
  const listeners = fakeListeners();
  const told = {
    changes: [] as { cluster: string; added: string[]; removed: readonly string[] }[],
    services: new Map<string, number>(),
    proxy: 0,
  };
  const data = {
    listen: (address: string) => Promise.resolve([listeners.listen(address)]),
    unlisten: () => Promise.resolve(listeners.unlisten()),
    changeAddresses({ cluster, added, removed }: AddressChange) {
      told.changes.push({ cluster, added: [...added.keys()], removed });
      return Promise.resolve();
    },
    setZone({ cluster, services }: ZoneData) {
      told.services.set(cluster, services.length);
      return Promise.resolve();
    },
    setCustomDomains: () => Promise.resolve(),
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
    () => [],
  );
  return {
    laptop,
    helper,
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
  const side = await to.laptop.capture();
  assert.equal(side.routes, 1);
  assert.deepEqual(to.captured(), ["10.96.0.7"]);
  assert.equal(await to.laptop.capture(), side, "it's there already");
});

Deno.test("a cluster with intercepts only doesn't stand before another that has its addresses", async () => {
  const own = clusterOf("dev", "intercept", "10.96.0.7");
  await using to = laptopOf(own);
  to.laptop.publish(own);
  assert.deepEqual(to.told.changes, [{ cluster: "dev", added: [], removed: [] }]);
  assert.equal(to.told.services.get("dev"), 0);
  own.connection.mode = "proxy";
  to.laptop.publish(own);
  assert.deepEqual(to.told.changes[1], { cluster: "dev", added: ["10.96.0.7"], removed: [] });
  assert.equal(to.told.services.get("dev"), 1);
});

Deno.test("of a cluster's addresses only what has changed is passed on", async () => {
  const dev = clusterOf("dev", "proxy", "10.96.0.7", "10.96.0.8");
  await using to = laptopOf(dev);
  to.laptop.publish(dev);
  dev.addresses.delete("10.96.0.7");
  dev.addresses.set("10.96.0.9", "any");
  to.laptop.publish(dev);
  assert.deepEqual(to.told.changes, [
    { cluster: "dev", added: ["10.96.0.7", "10.96.0.8"], removed: [] },
    { cluster: "dev", added: ["10.96.0.9"], removed: ["10.96.0.7"] },
  ]);
  const again = clusterOf("dev", "proxy", "10.96.0.9");
  to.laptop.publish(again);
  assert.deepEqual(to.told.changes[2]?.added, ["10.96.0.9"], "connected again, it begins without any");
});

Deno.test("a helper that goes takes its captures along; the next up connects to another", async () => {
  await using to = laptopOf(clusterOf("dev", "capture", "10.96.0.7"));
  const side = await to.laptop.capture();
  to.helper.die();
  await until("it's noticed", () => to.laptop.side === undefined);
  await until("nothing is listened for", () => to.listeners.addresses.length === 0);
  assert.deepEqual(to.log, ["the root helper is gone: nothing is captured any more"]);
  assert.notEqual(await to.laptop.capture(), side);
  assert.deepEqual(to.captured(), ["10.96.0.7", "10.96.0.7"]);
});

Deno.test("letting go of the helper is no loss", async () => {
  await using to = laptopOf(clusterOf("dev", "capture", "10.96.0.7"));
  await to.laptop.capture();
  assert.deepEqual(await to.laptop.endCapture(), []);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(to.log, []);
});

Deno.test("the proxy has one address, whoever asks for it", async () => {
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
  const side = await to.laptop.capture();
  const before = to.laptop.before(dev);
  dev.connection.mode = "capture";
  await to.laptop.capture();
  await to.laptop.proxy(0);
  assert.equal(side.routes, 2);
  dev.connection.mode = "proxy";
  await to.laptop.release(dev, before);
  assert.equal(side.routes, 1);
  assert.equal(to.laptop.side, side, "another cluster is captured");
  assert.equal(to.laptop.proxyAddress, undefined);
});
