import assert from "node:assert/strict";
import { ApiError } from "../../kube/client/api_error.ts";
import { until } from "../../async/testing/until.ts";
import { Discovery } from "./discovery.ts";
import type { TopologyChange } from "./topology.ts";
import { FakeApi, forbidden } from "../testing/cluster.ts";

const quiet = () => {};

Deno.test("everything is there once it has started, and followed from then on", async () => {
  await using cluster = new FakeApi();
  cluster.service("echo", { clusterIP: "10.96.0.7", ports: [{ port: 80 }] });
  cluster.pod("echo-1", { ip: "10.244.0.5" });
  cluster.slice("echo", ["10.244.0.5"], [{ port: 8080 }]);
  const changes: TopologyChange[] = [];
  await using discovery = await Discovery.start(
    cluster.api,
    "default",
    quiet,
    (change) => void changes.push(change),
  );
  const { topology } = discovery;
  assert.deepEqual([...topology.services.keys()], ["default/echo"]);
  assert.deepEqual([...topology.pods.keys()], ["default/echo-1"]);
  assert.equal(topology.slices?.size, 1);
  assert.deepEqual([discovery.limits, discovery.onlyNamespace], [[], undefined]);
  cluster.service("late", { clusterIP: "10.96.0.8", ports: [{ port: 80 }] }, "shop");
  cluster.pod("late-1", { namespace: "shop" });
  await until("the pod is there", () => changes.some(({ pods }) => pods.has("shop/late-1")));
  assert.ok(topology.services.has("shop/late"));
  assert.ok(changes.length <= 2, "changes that come together are told together");
  assert.deepEqual(changes.flatMap(({ services, slices }) => [...services, ...slices]), ["shop/late"]);
});

Deno.test("a change of an object that leaves what is read of it as it was isn't told", async () => {
  await using cluster = new FakeApi();
  cluster.pod("echo-1", { ip: "10.244.0.5" });
  const changes: string[] = [];
  await using _discovery = await Discovery.start(
    cluster.api,
    "default",
    quiet,
    ({ pods }) => void changes.push(...pods),
  );
  cluster.pod("echo-1", { ip: "10.244.0.5", more: { annotations: { "example.com/seen": "now" } } });
  cluster.pod("echo-2", { ip: "10.244.0.6" });
  await until("the next one is told", () => changes.length > 0);
  assert.deepEqual(changes, ["default/echo-2"]);
});

Deno.test("with rights in one namespace only, that is what is seen, and said", async () => {
  await using cluster = new FakeApi();
  cluster.service("echo", { clusterIP: "10.96.0.7" });
  cluster.service("hidden", { clusterIP: "10.96.0.8" }, "other");
  cluster.refuse = (asked) => asked.includes("/namespaces/") ? undefined : forbidden(asked);
  await using discovery = await Discovery.start(cluster.api, "default", quiet, quiet);
  assert.deepEqual([...discovery.topology.services.keys()], ["default/echo"]);
  assert.equal(discovery.onlyNamespace, "default");
  assert.deepEqual(discovery.limits.toSorted(), [
    "only endpointslices of the namespace default may be listed",
    "only pods of the namespace default may be listed",
    "only services of the namespace default may be listed",
  ]);
});

Deno.test("without rights to list pods and slices, Services are enough", async () => {
  await using cluster = new FakeApi();
  cluster.service("echo", { clusterIP: "10.96.0.7" });
  cluster.refuse = (asked) => /pods|endpointslices/.test(asked) ? forbidden(asked) : undefined;
  await using discovery = await Discovery.start(cluster.api, "default", quiet, quiet);
  assert.equal(discovery.topology.services.size, 1);
  assert.equal(discovery.topology.slices, undefined);
  assert.equal(discovery.topology.pods.size, 0);
  assert.equal(discovery.limits.length, 2);
});

Deno.test("of more objects than are kept it is said how many are left out, and of what kind", async () => {
  await using cluster = new FakeApi();
  cluster.service("echo", { clusterIP: "10.96.0.7", ports: [{ port: 80 }] });
  for (let i = 0; i < 1_200; i++) cluster.pod(`echo-${i}`);
  const most = { services: 1, slices: 1, pods: 100 };
  await using discovery = await Discovery.start(
    cluster.api,
    "default",
    quiet,
    quiet,
    quiet,
    undefined,
    most,
  );
  assert.deepEqual(discovery.limits, ["1,100 pods are left out: at most 100 are kept"]);
  for (let i = 100; i < 1_200; i++) cluster.delete("/api/v1", "pods", `echo-${i}`);
  await until("nothing is left out", () => discovery.limits.length === 0);
});

Deno.test("without rights to list even Services it fails, and leaves no watch", async () => {
  await using cluster = new FakeApi();
  cluster.refuse = (asked) => asked.includes("services") ? forbidden(asked) : undefined;
  await assert.rejects(
    Discovery.start(cluster.api, "default", quiet, quiet),
    (error) => error instanceof ApiError && error.status === 403,
  );
  const { length } = cluster.asked;
  cluster.pod("echo-1");
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(cluster.asked.length, length, "nothing is asked any longer");
});

Deno.test("a start that is given up ends", async () => {
  await using cluster = new FakeApi();
  cluster.silent = true;
  const giveUp = new AbortController();
  const starting = Discovery.start(cluster.api, "default", quiet, quiet, quiet, giveUp.signal);
  await until("it has asked", () => cluster.asked.length === 3);
  giveUp.abort(new DOMException("Ctrl-C", "AbortError"));
  await assert.rejects(starting, { name: "AbortError" });
});

Deno.test("nothing is told any more once it has ended", async () => {
  await using cluster = new FakeApi();
  let changes = 0;
  const discovery = await Discovery.start(cluster.api, "default", quiet, () => void changes++);
  cluster.pod("echo-1");
  await discovery[Symbol.asyncDispose]();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(changes, 0);
});
