import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { ClusterApi } from "../discovery/cluster_api.ts";
import { FakeApi, forbidden } from "../testing/cluster.ts";
import { Cluster } from "./cluster.ts";
import { Failure } from "../failure.ts";
import { forever } from "../testing/fails.ts";

const quiet = () => {};
/** What the fake cluster's pod of the gateway is. */
const gateway = { namespace: "pmz" };

/** A connected cluster, whose data plane does nothing. */
async function connectedTo(
  cluster: FakeApi,
  timeouts: { readonly podTimeoutMs?: number; readonly tunnelTimeoutMs?: number } = {},
) {
  const kubeconfig = await Deno.makeTempFile();
  await Deno.writeTextFile(kubeconfig, cluster.kubeconfig());
  const connection = await ClusterApi.open({ kubeconfig }, quiet);
  const calls: string[] = [];
  const takeDown = (call: string) => () => (calls.push(call), Promise.resolve());
  let changes = 0;
  const connected = new Cluster({
    connection,
    data: {
      connect: takeDown("connect"),
      reach: takeDown("reach"),
      disconnect: takeDown("disconnect"),
      setIntercepts: takeDown("setIntercepts"),
      setAgents: takeDown("setAgents"),
      setRedirects: takeDown("setRedirects"),
    },
    log: quiet,
    acceptedRanges: () => [],
    changed: () => void changes++,
    ...timeouts,
  });
  return {
    connected,
    calls,
    changes: () => changes,
    async [Symbol.asyncDispose]() {
      await connected.end();
      await Deno.remove(kubeconfig);
    },
  };
}

Deno.test("what a cluster has becomes addresses and names, and so do its changes", async () => {
  await using cluster = new FakeApi();
  cluster.service("echo", { clusterIP: "10.96.0.7", ports: [{ port: 80 }] });
  await using to = await connectedTo(cluster);
  await to.connected.discover(quiet, forever);
  assert.deepEqual([...to.connected.index.addresses.keys()], ["10.96.0.7"]);
  assert.deepEqual([...to.connected.index.services.keys()], ["default/echo"]);
  const before = to.changes();
  cluster.service("late", { clusterIP: "10.96.0.8", ports: [{ port: 80 }] });
  await until("it's told", () => to.changes() > before);
  assert.ok(to.connected.index.addresses.has("10.96.0.8"));
});

Deno.test("the tunnel is dialled once, and waited for", async () => {
  await using cluster = new FakeApi();
  cluster.pod("gateway-1", gateway);
  await using to = await connectedTo(cluster);
  const reached = to.connected.reach(quiet, forever);
  await until("it's dialled", () => to.calls.includes("reach"));
  to.connected.tunnelNews({ cluster: "dev", state: "connecting", why: "first connection" });
  to.connected.tunnelNews({ cluster: "dev", state: "connected", pod: "gateway-1" });
  await reached;
  await to.connected.reach(quiet, forever);
  assert.deepEqual(to.calls, ["reach"]);
});

Deno.test("a tunnel that doesn't come says why, the last reason it had", async () => {
  await using cluster = new FakeApi();
  cluster.pod("gateway-1", gateway);
  await using to = await connectedTo(cluster, { tunnelTimeoutMs: 100 });
  const reached = to.connected.reach(quiet, forever);
  await until("it's dialled", () => to.calls.includes("reach"));
  for (const why of ["first connection", 'pods "gateway-1" is forbidden']) {
    to.connected.tunnelNews({ cluster: "dev", state: "connecting", why });
  }
  await assert.rejects(
    reached,
    (error) => error instanceof Failure && error.code === "timeout" && /is forbidden$/.test(error.message),
  );
});

Deno.test("pods of the gateway that may not be listed are told at once", async () => {
  await using cluster = new FakeApi();
  await using to = await connectedTo(cluster);
  cluster.refuse = forbidden;
  await assert.rejects(to.connected.reach(quiet, forever), { name: "ApiError", status: 403 });
});

Deno.test("waiting for the tunnel ends with the asker, also one that has gone before", async () => {
  await using cluster = new FakeApi();
  await using to = await connectedTo(cluster);
  const giveUp = new AbortController();
  const reached = to.connected.reach(quiet, giveUp.signal);
  giveUp.abort(new Error("Ctrl-C"));
  await assert.rejects(reached, /Ctrl-C/);
  await assert.rejects(to.connected.reach(quiet, giveUp.signal), /Ctrl-C/);
});

Deno.test("a gateway whose pod isn't ready is waited for, with the reason, and dialled then", async () => {
  await using cluster = new FakeApi();
  await using to = await connectedTo(cluster);
  const said: string[] = [];
  const reached = to.connected.reach((text) => void said.push(text), forever);
  const pending = { status: { phase: "Pending", conditions: [] } };
  await until("it waits", () => said.includes("waiting for the gateway: there is no pod"));
  cluster.put("/api/v1", "pods", { metadata: { name: "gateway-1", ...gateway, uid: "u" }, ...pending });
  await until(
    "it says why",
    () => said.includes("waiting for the gateway: pod gateway-1 isn't ready (Pending)"),
  );
  assert.deepEqual(to.calls, []);
  cluster.pod("gateway-1", gateway);
  await until("it's dialled", () => to.calls.includes("reach"));
  to.connected.tunnelNews({ cluster: "dev", state: "connecting", why: "HTTP 500" });
  await until("it says why", () => said.at(-1) === "dialling the gateway: HTTP 500");
  to.connected.tunnelNews({ cluster: "dev", state: "connected", pod: "gateway-1" });
  await reached;
});

Deno.test("a gateway whose pod never becomes ready is missing, not late", async () => {
  await using cluster = new FakeApi();
  await using to = await connectedTo(cluster, { podTimeoutMs: 50 });
  await assert.rejects(
    to.connected.reach(quiet, forever),
    (error) => error instanceof Failure && error.code === "agent" && /there is no pod$/.test(error.message),
  );
});
