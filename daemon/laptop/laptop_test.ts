import assert from "node:assert/strict";
import { until } from "../../kube/testing/api_server.ts";
import type { Mode } from "../../wire/control.ts";
import type { CapturedPorts } from "../../wire/helper.ts";
import { fakeHelper, fakeListeners } from "../testing/helper.ts";
import type { DataCalls, MainCalls } from "../../dataplane/protocol.ts";
import { Failure } from "../failure.ts";
import { Laptop, type LaptopCluster } from "./laptop.ts";
import { Channel } from "../../threads/channel.ts";

type Told = Pick<DataCalls, "listen" | "unlisten" | "addresses" | "zone" | "custom" | "proxy" | "unproxy">;

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

/** The laptop's side of these clusters, with a fake helper and a fake data worker. */
function laptopOf(...clusters: LaptopCluster[]) {
  const helper = fakeHelper();
  const { port1, port2 } = new MessageChannel();
  const listeners = fakeListeners();
  const told = {
    addresses: new Map<string, string[]>(),
    services: new Map<string, number>(),
    proxy: 0,
  };
  new Channel<Told, MainCalls>(port2, {
    listen: (address) => listeners.listen(address),
    unlisten: () => listeners.unlisten(),
    addresses: ({ cluster, addresses }) => void told.addresses.set(cluster, [...addresses.keys()]),
    zone: ({ cluster, services }) => void told.services.set(cluster, services.length),
    custom() {},
    proxy(port) {
      if (port === 1) throw new Error("permission denied");
      told.proxy = port || 1080;
      return `127.0.0.1:${told.proxy}`;
    },
    unproxy: () => (told.proxy = 0, Promise.resolve()),
  });
  const unasked = () => assert.fail("the worker asks nothing here");
  const main: MainCalls = { gateway: unasked, agent: unasked, prove: unasked, tunnel: unasked, log: unasked };
  const data = new Channel<MainCalls, DataCalls>(port1, main);
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
      port1.close();
      port2.close();
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
  await until("it's told", () => to.told.services.has("dev"));
  assert.deepEqual([to.told.addresses.get("dev"), to.told.services.get("dev")], [[], 0]);
  own.connection.mode = "proxy";
  to.laptop.publish(own);
  await until("it's told", () => to.told.services.get("dev") === 1);
  assert.deepEqual(to.told.addresses.get("dev"), ["10.96.0.7"]);
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
