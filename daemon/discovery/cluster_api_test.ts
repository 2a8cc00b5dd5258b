import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { json, status } from "../../kube/testing/api_server.ts";
import { ClusterApi } from "./cluster_api.ts";
import { certificates } from "../../kube/testing/certificates.ts";
import { FakeApi } from "../testing/cluster.ts";

const quiet = () => {};

/** A kubeconfig's file. */
async function file(text: string) {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, text);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

Deno.test("a connection is named after its context, and has its namespace unless another is asked for", async () => {
  await using cluster = new FakeApi();
  await using config = await file(cluster.kubeconfig("dev", "shop"));
  await using connection = await ClusterApi.open({ kubeconfig: config.path }, quiet);
  assert.equal(connection.id, "dev");
  assert.deepEqual(connection.name, { context: "dev", server: cluster.url, namespace: "shop", user: "jo" });
  const choice = { kubeconfig: config.path, context: "dev", namespace: "other" };
  await using other = await ClusterApi.open(choice, quiet);
  assert.equal(other.name.namespace, "other");
  assert.ok(connection.isAlike(other));
});

Deno.test("a context of the same name in another file is another cluster", async () => {
  await using cluster = new FakeApi();
  await using second = new FakeApi();
  await using here = await file(cluster.kubeconfig());
  await using there = await file(second.kubeconfig());
  await using one = await ClusterApi.open({ kubeconfig: here.path }, quiet);
  await using two = await ClusterApi.open({ kubeconfig: there.path }, quiet);
  assert.equal(one.id, two.id);
  assert.ok(!one.isAlike(two));
});

Deno.test("a kubeconfig that reaches the same cluster by another server leads to the same cluster", async () => {
  await using cluster = new FakeApi();
  await using direct = await file(cluster.kubeconfig());
  await using proxied = await file(cluster.kubeconfig().replaceAll("127.0.0.1", "localhost"));
  await using one = await ClusterApi.open({ kubeconfig: direct.path }, quiet);
  await using two = await ClusterApi.open({ kubeconfig: proxied.path }, quiet);
  assert.notEqual(one.name.server, two.name.server);
  assert.ok(one.isAlike(two));
  cluster.refuse = (asked) =>
    asked.startsWith("GET /api/v1/namespaces/kube-system")
      ? json(403, status(403, "Forbidden", "no"))
      : undefined;
  await using unsure = await ClusterApi.open({ kubeconfig: proxied.path }, quiet);
  assert.equal(unsure.uid, undefined);
  assert.ok(!one.isAlike(unsure), "where that can't be known, another server is another cluster");
});

Deno.test("a cluster whose CA was rotated is the same one, and one that was made again isn't", async () => {
  await using cluster = new FakeApi();
  using made = await certificates();
  await using proxy = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert: made.cert, key: made.key, onListen() {} },
    (request) => fetch(`${cluster.url}${new URL(request.url).pathname}`),
  );
  const withCa = (ca: string) =>
    JSON.stringify({
      ...JSON.parse(cluster.kubeconfig()),
      clusters: [{
        name: "c",
        cluster: {
          server: `https://127.0.0.1:${proxy.addr.port}`,
          "certificate-authority-data": btoa(ca),
        },
      }],
    });
  await using config = await file(withCa(made.ca));
  await using connection = await ClusterApi.open({ kubeconfig: config.path }, quiet);
  const before = connection.caHash;
  await Deno.writeTextFile(config.path, withCa(made.ca + made.cert));
  await connection.reread({});
  assert.notEqual(connection.caHash, before);
  assert.ok(!connection.isMadeAgain);
  cluster.put("/api/v1", "namespaces", { metadata: { name: "kube-system", uid: crypto.randomUUID() } });
  await Deno.writeTextFile(config.path, withCa(made.ca));
  await connection.reread({});
  assert.ok(connection.isMadeAgain);
});

Deno.test("a server that refuses, or doesn't answer before the request is given up, leaves no connection", async () => {
  await using cluster = new FakeApi();
  await using config = await file(cluster.kubeconfig());
  cluster.refuse = () => json(401, status(401, "Unauthorized", "expired"));
  await assert.rejects(ClusterApi.open({ kubeconfig: config.path }, quiet), {
    name: "ApiError",
    status: 401,
  });
  cluster.refuse = () => undefined;
  cluster.silent = true;
  const giveUp = new AbortController();
  const before = cluster.asked.length;
  const opening = ClusterApi.open({ kubeconfig: config.path }, quiet, giveUp.signal);
  await until("it has asked", () => cluster.asked.length > before);
  giveUp.abort(new Error("Ctrl-C"));
  await assert.rejects(opening, /Ctrl-C/);
});

Deno.test("the gateway's place is known as soon as there is one, and asking for it ends with the connection", async () => {
  await using cluster = new FakeApi();
  await using config = await file(cluster.kubeconfig());
  const connection = await ClusterApi.open({ kubeconfig: config.path }, quiet);
  const place = connection.gatewayPlace();
  cluster.pod("gateway-1", { namespace: "pmz" });
  const { access, ...rest } = await place;
  assert.deepEqual(rest, { namespace: "pmz", pod: "gateway-1", port: 8100, lanes: 8101 });
  assert.equal(access.hostname, "127.0.0.1");
  cluster.delete("/api/v1", "pods", "gateway-1", "pmz");
  await until("it's gone", () => connection.gateways().usable().length === 0);
  const never = assert.rejects(connection.gatewayPlace(), /disconnected/);
  await connection[Symbol.asyncDispose]();
  await never;
});

Deno.test("after a sleep all watches reconnect, and nothing is told twice", async () => {
  await using cluster = new FakeApi();
  cluster.service("echo", { clusterIP: "10.96.0.7" });
  await using config = await file(cluster.kubeconfig());
  await using connection = await ClusterApi.open({ kubeconfig: config.path }, quiet);
  let changes = 0;
  await connection.discover(() => void changes++);
  const watches = () => cluster.asked.filter((asked) => asked.includes("watch=1")).length;
  await until("it's followed", () => watches() === 3);
  connection.reconnect();
  await until("all watches are back", () => watches() === 6);
  cluster.service("late", { clusterIP: "10.96.0.8" });
  await until("changes still come", () => connection.topology.services.has("default/late"));
  await until("and are told", () => changes === 1);
});
