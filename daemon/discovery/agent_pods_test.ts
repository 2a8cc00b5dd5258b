import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { AgentPods } from "./agent_pods.ts";
import { FakeApi, forbidden } from "../testing/cluster.ts";

const of = { namespace: "pmz", selector: "app=gateway", log: () => {} };

Deno.test("those can be dialled that are ready and stay", async () => {
  await using cluster = new FakeApi();
  cluster.pod("gateway-1", { namespace: "pmz" });
  cluster.pod("going", { namespace: "pmz", more: { deletionTimestamp: "2026-01-01T10:00:00Z" } });
  cluster.put("/api/v1", "pods", {
    metadata: { name: "starting", namespace: "pmz", uid: "00000000-0000-4000-8000-000000000001" },
    spec: { containers: [] },
    status: { phase: "Pending" },
  });
  cluster.pod("elsewhere", { namespace: "default" });
  await using pods = new AgentPods(cluster.api, of);
  await pods.ready;
  assert.deepEqual(pods.usable().map((pod) => pod.name), ["gateway-1"]);
  assert.match(cluster.asked[0] ?? "", /namespaces\/pmz\/pods\?labelSelector=app%3Dgateway/);
});

Deno.test("pods that nothing of the right kind made are not dialled", async () => {
  await using cluster = new FakeApi();
  const owned = (kind: string, controller: boolean) => ({
    ownerReferences: [{ apiVersion: "apps/v1", kind, name: "node", uid: "u", controller }],
  });
  cluster.pod("real", { namespace: "pmz", more: owned("DaemonSet", true) });
  cluster.pod("by hand", { namespace: "pmz" });
  cluster.pod("claims", { namespace: "pmz", more: owned("DaemonSet", false) });
  cluster.pod("deployed", { namespace: "pmz", more: owned("ReplicaSet", true) });
  await using pods = new AgentPods(cluster.api, { ...of, controller: "DaemonSet" });
  await pods.ready;
  assert.deepEqual(pods.usable().map((pod) => pod.name), ["real"]);
});

Deno.test("who wants one waits until there is one", async () => {
  await using cluster = new FakeApi();
  await using pods = new AgentPods(cluster.api, of);
  await pods.ready;
  const one = pods.one(new AbortController().signal);
  cluster.pod("gateway-1", { namespace: "pmz" });
  assert.equal((await one).name, "gateway-1");
});

Deno.test("each of several has its share of the laptops, and when one goes, only its own laptops move", async () => {
  await using cluster = new FakeApi();
  for (let i = 1; i <= 3; i++) cluster.pod(`gateway-${i}`, { namespace: "pmz" });
  await using laptops = new AsyncDisposableStack();
  const all = Array.from(
    { length: 60 },
    (_, i) => laptops.use(new AgentPods(cluster.api, { ...of, laptop: `laptop ${i}` })),
  );
  const signal = new AbortController().signal;
  const chosen = async () => {
    const pods = await Promise.all(all.map(async (each) => {
      await each.ready;
      return await each.one(signal);
    }));
    return pods.map(({ name }) => name);
  };
  const before = await chosen();
  assert.deepEqual(await chosen(), before);
  for (let i = 1; i <= 3; i++) {
    const share = before.filter((name) => name === `gateway-${i}`).length;
    assert.ok(share >= 5, `gateway-${i} has ${share} of 60`);
  }
  cluster.delete("/api/v1", "pods", "gateway-2", "pmz");
  await until("all know that it's gone", () => all.every((each) => each.usable().length === 2));
  const after = await chosen();
  const moved = before.filter((name, i) => name !== after[i]);
  assert.deepEqual(moved, before.filter((name) => name === "gateway-2"));
});

Deno.test("waiting ends with its signal", async () => {
  await using cluster = new FakeApi();
  await using pods = new AgentPods(cluster.api, of);
  const giveUp = new AbortController();
  const one = pods.one(giveUp.signal);
  await pods.ready;
  giveUp.abort(new Error("enough"));
  await assert.rejects(one, /enough/);
  await assert.rejects(pods.one(giveUp.signal), /enough/);
});

Deno.test("pods that may not be listed are told", async () => {
  await using cluster = new FakeApi();
  cluster.refuse = forbidden;
  await using pods = new AgentPods(cluster.api, of);
  await assert.rejects(pods.ready, { name: "ApiError", status: 403 });
});

Deno.test("changes are told to listeners until they are disposed", async () => {
  await using cluster = new FakeApi();
  await using pods = new AgentPods(cluster.api, of);
  await pods.ready;
  let changes = 0;
  const listening = pods.onChange(() => void changes++);
  cluster.pod("gateway-1", { namespace: "pmz" });
  await until("it's told", () => changes === 1);
  listening[Symbol.dispose]();
  cluster.pod("gateway-2", { namespace: "pmz" });
  await until("it's there", () => pods.usable().length === 2);
  assert.equal(changes, 1);
});

Deno.test("pods that may be listed by now are ready, though they might not be before", async () => {
  await using cluster = new FakeApi();
  cluster.refuse = forbidden;
  await using pods = new AgentPods(cluster.api, of);
  await assert.rejects(pods.ready, { status: 403 });
  await assert.rejects(pods.ready, { status: 403 }, "each look asks again");
  cluster.refuse = () => undefined;
  await pods.ready;
});
