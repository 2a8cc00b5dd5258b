import assert from "node:assert/strict";
import { until } from "../../../async/testing/until.ts";
import type { Stream } from "../../../hbone/mod.ts";
import { type ExplainRequest, explainRequest } from "../../../wire/control.ts";
import { type Hop, verdictOf } from "../../../wire/explain.ts";
import { fails } from "../../testing/fails.ts";
import { type FakeDaemon, fakeDaemon, recorder } from "../../testing/daemon.ts";

const forever = new AbortController().signal;

/** A cluster with Services of many kinds, connected by the proxy. */
async function connected(onStream?: (stream: Stream) => void): Promise<FakeDaemon> {
  const at = await fakeDaemon(onStream ? { onStream } : {});
  const { cluster } = at;
  const ports = [{ name: "http", port: 80, targetPort: 8080 }];
  cluster.service("empty", { clusterIP: "10.96.0.8", selector: { app: "empty" }, ports });
  cluster.service("crash", { clusterIP: "10.96.0.9", selector: { app: "crash" }, ports });
  cluster.pod("crash-1", { labels: { app: "crash" } });
  for (const [name, reason, at] of [["loop", "CrashLoopBackOff", 13], ["slow", "", 14]] as const) {
    cluster.service(name, { clusterIP: `10.96.0.${at}`, selector: { app: name }, ports });
    cluster.put("/api/v1", "pods", {
      metadata: { name: `${name}-1`, namespace: "default", uid: name, labels: { app: name } },
      spec: { containers: [] },
      status: {
        phase: "Running",
        containerStatuses: [{ name: "c", state: reason ? { waiting: { reason } } : {} }],
      },
    });
  }
  cluster.service("ending", { clusterIP: "10.96.0.12", selector: { app: "ending" }, ports });
  cluster.pod("ending-1", { labels: { app: "ending" }, more: { deletionTimestamp: "2026-01-01T12:00:00Z" } });
  cluster.service("dns", {
    clusterIP: "10.96.0.10",
    selector: { app: "echo" },
    ports: [{ name: "dns", port: 53, protocol: "UDP" }],
  });
  cluster.slice("dns", ["10.244.0.5"], [{ name: "dns", port: 53, protocol: "UDP" }]);
  cluster.service("peers", { clusterIP: "None", selector: { app: "echo" }, ports });
  cluster.slice("peers", ["10.244.0.5"], [{ name: "http", port: 8080 }]);
  cluster.service("outside", { clusterIP: "None", ports });
  cluster.slice("outside", ["10.9.0.5"], [{ name: "http", port: 8080 }]);
  cluster.service("mail", { type: "ExternalName", externalName: "mail.example" });
  cluster.service("same", { type: "ExternalName", externalName: "echo.default.svc.cluster.local" });
  const alias = (externalName: string) => ({ type: "ExternalName", externalName });
  cluster.service("further", alias("mail.default.svc.cluster.local"));
  cluster.service("gone", alias("nosuch.default.svc.cluster.local"));
  cluster.service("round", alias("again.default.svc.cluster.local"));
  cluster.service("again", alias("round.default.svc.cluster.local"));
  cluster.service("cart", { clusterIP: "10.96.0.11", selector: { app: "echo" }, ports }, "shop");
  await at.daemon.up(at.up, recorder(), forever);
  return at;
}

/** What is said of a host: all hops, the cause, whether it works. */
async function said(at: FakeDaemon, request: Partial<ExplainRequest>) {
  const asked = explainRequest.parse({ ...request, kubeconfig: at.up.kubeconfig }, "");
  const { hops, target } = await at.daemon.explain(asked);
  const { works, because } = verdictOf(hops);
  const hop = (name: Hop["hop"]) => hops.find((one) => one.hop === name)?.saw ?? "";
  return {
    works,
    target,
    cause: because ? `${because.hop}: ${because.saw}` : "",
    remedy: because?.remedy ?? "",
    hop,
  };
}

Deno.test("a connection that works is followed to the gateway's dial", async () => {
  await using at = await connected();
  for (const host of ["echo", "echo.default", "echo.default.svc.cluster.local", "ECHO.default.svc."]) {
    const { works, hop } = await said(at, { host });
    assert.ok(works, host);
    assert.match(hop("name"), /is Service default\/echo of cluster dev$/);
    assert.equal(hop("port"), "the Service has the port 80 (http)");
    assert.equal(hop("endpoints"), "1 ready, 0 not");
    assert.match(hop("tunnel"), /^connected to gateway-1/);
    assert.equal(hop("dial"), "10.96.0.7:80: the gateway is connected");
    assert.match(hop("ping"), /^ping isn't carried/);
  }
  assert.match((await said(at, { host: "10.96.0.7" })).hop("name"), /^10\.96\.0\.7 is Service default\/echo/);
  assert.match((await said(at, { host: "10.244.0.5", port: 8080 })).hop("name"), /is pod\/echo-1\.default/);
});

const causes: readonly [string, Partial<ExplainRequest>, RegExp, RegExp][] = [
  [
    "a name of no cluster",
    { host: "www.example.com" },
    /^name: .* belongs to no connected cluster/,
    /pmz dns add/,
  ],
  [
    "an ExternalName to a Service that isn't there",
    { host: "gone" },
    /^name: there is no Service nosuch in the namespace default/,
    /./,
  ],
  [
    "ExternalNames that lead to each other",
    { host: "round" },
    /^name: the ExternalNames lead to each other/,
    /edit service (round|again)$/,
  ],
  [
    "a namespace that doesn't exist",
    { host: "echo.nowhere.svc" },
    /^name: the namespace nowhere doesn't exist in cluster dev$/,
    /there is echo\.default\.svc/,
  ],
  [
    "a Service of another namespace",
    { host: "cart.default.svc" },
    /^name: there is no Service cart in the namespace default of cluster dev$/,
    /there is cart\.shop\.svc/,
  ],
  [
    "a short name of a pod that isn't there",
    { host: "peers-9.peers" },
    /^name: the Service default\/peers of cluster dev has no endpoint or port by the name peers-9\.peers$/,
    /get endpointslices -l kubernetes\.io\/service-name=peers$/,
  ],
  [
    "a port that the Service lacks",
    { host: "echo", port: 81 },
    /^port: the Service has no TCP port 81$/,
    /80 \(http\)/,
  ],
  [
    "the port of the pods instead of the Service's",
    { host: "echo", port: 8080 },
    /^port: .* port 8080: that is the port of its pods; the Service's is 80$/,
    /80/,
  ],
  [
    "a UDP port without its protocol",
    { host: "dns", port: 53 },
    /^port: port 53 of the Service is UDP, not TCP$/,
    /^name the protocol: 53\/udp$/,
  ],
  [
    "a TCP port by UDP",
    { host: "echo", port: 80, protocol: "udp" },
    /^port: port 80 of the Service is TCP, not UDP$/,
    /^name the protocol: 80\/tcp$/,
  ],
  [
    "UDP of a Service that has none",
    { host: "echo", protocol: "udp" },
    /^port: the Service has no UDP port$/,
    /^its ports: 80 \(http\)/,
  ],
  [
    "UDP of a pod that names no such port",
    { host: "10.244.0.5", protocol: "udp" },
    /^port: the pod names no UDP port$/,
    /pmz explain 10\.244\.0\.5:PORT/,
  ],
  [
    "a Service without pods",
    { host: "empty" },
    /^endpoints: no ready endpoint: no pod has the labels app=empty$/,
    /kubectl -n default get pods -l app=empty/,
  ],
  [
    "a Service whose pods crash",
    { host: "loop" },
    /^endpoints: no ready endpoint .*: loop-1: CrashLoopBackOff$/,
    /^kubectl -n default logs --previous loop-1 /,
  ],
  [
    "a Service whose pods aren't ready",
    { host: "slow" },
    /^endpoints: no ready endpoint .*: slow-1: not ready$/,
    /^kubectl -n default describe pod slow-1$/,
  ],
  [
    "a Service whose last pod is being deleted",
    { host: "ending" },
    /^endpoints: no ready endpoint .*: its pods are being deleted: ending-1$/,
    /kubectl -n default get pods -l app=ending/,
  ],
  [
    "a name that no nameserver answers in time",
    { host: "www.example.com", lookup: { addresses: [], isLate: true, ms: 8_012 } },
    /^name: .* belongs to no connected cluster.* is asked, and doesn't answer within 8 s$/,
    /pmz dns add/,
  ],
  [
    "a headless Service with endpoints that are no pods",
    { host: "outside" },
    /^endpoints|^address: .*no pod/,
    /./,
  ],
  ["an address of nothing", { host: "10.96.0.99" }, /^name: no Service and no pod/, /pmz services -A/],
  ["a name that is this machine's", { host: "web.localhost" }, /^name: .*always means this machine/, /./],
];
Deno.test("what keeps a connection from working is named, with what to do about it", async (t) => {
  await using at = await connected();
  for (const [what, request, cause, remedy] of causes) {
    await t.step(what, async () => {
      const explained = await said(at, request);
      assert.equal(explained.works, false);
      assert.match(explained.cause, cause);
      assert.match(explained.remedy, remedy);
    });
  }
});

Deno.test("datagrams are followed to the gateway's socket, and none is sent", async () => {
  await using at = await connected();
  const service = await said(at, { host: "dns", protocol: "udp" });
  assert.ok(service.works);
  assert.equal(service.target, "dns:53/udp");
  assert.equal(service.hop("port"), "the Service has the UDP port 53 (dns)");
  assert.match(service.hop("dial"), /^10\.96\.0\.10:53: the gateway sends datagrams there; only an answer/);
  assert.ok((await said(at, { host: "10.244.0.5", port: 53, protocol: "udp" })).works);
});

Deno.test("a name of a context that isn't connected says how to connect it", async () => {
  await using at = await connected();
  const config = JSON.parse(at.cluster.kubeconfig()) as { contexts: { name: string }[] };
  config.contexts.push({ ...config.contexts[0], name: "staging" });
  const kubeconfig = await at.kubeconfig(JSON.stringify(config));
  const asked = explainRequest.parse({ host: "echo.default.svc.staging", kubeconfig }, "");
  const { because } = verdictOf((await at.daemon.explain(asked)).hops);
  assert.match(because?.saw ?? "", /is a name of the cluster staging/);
  assert.equal(because?.remedy, "run: pmz up --context staging");
});

Deno.test("a Service that isn't there may be that of kubectl's current context, which isn't connected", async () => {
  await using at = await connected();
  const config = JSON.parse(at.cluster.kubeconfig()) as { contexts: { name: string }[] };
  config.contexts.push({ ...config.contexts[0], name: "staging" });
  const kubeconfig = await at.kubeconfig(JSON.stringify({ ...config, "current-context": "staging" }));
  const asked = explainRequest.parse({ host: "nosuch.default.svc", kubeconfig }, "");
  const { because } = verdictOf((await at.daemon.explain(asked)).hops);
  assert.match(because?.saw ?? "", /there is no Service nosuch in the namespace default of cluster dev/);
  assert.equal(
    because?.remedy,
    "kubectl's current context is staging, which isn't connected: pmz up --context staging",
  );
});

Deno.test("a headless Service is dialled at its pods' port, and its own port is named as the wrong one", async () => {
  await using at = await connected();
  const right = await said(at, { host: "peers" });
  assert.ok(right.works);
  assert.equal(right.hop("dial"), "10.244.0.5:8080: the gateway is connected");
  assert.match((await said(at, { host: "peers", port: 80 })).cause, /^port: .*they serve 8080$/);
});

Deno.test("an ExternalName is followed into the cluster, and out of it", async () => {
  await using at = await connected();
  const inside = await said(at, { host: "same.default.svc" });
  assert.equal(inside.hop("dial"), "10.96.0.7:80: the gateway is connected");
  const outside = await said(at, { host: "mail.default.svc" });
  assert.match(outside.hop("name"), /an ExternalName: mail\.example$/);
  assert.match(outside.hop("address"), /^mail\.example belongs to no cluster: pmz's proxy dials it/);
  assert.match((await said(at, { host: "further" })).hop("address"), /^mail\.example belongs to no cluster/);
});

Deno.test("a name that isn't a cluster's and leads to a cluster's address is followed by that address", async () => {
  await using at = await connected();
  const lookup = { addresses: ["10.96.0.7"], ms: 3 };
  const { hop } = await said(at, { host: "web.corp.example", port: 80, lookup });
  assert.match(hop("name"), /^web\.corp\.example leads to 10\.96\.0\.7; .* is Service default\/echo/);
  assert.match(hop("dial"), /the gateway is connected$/);
});

Deno.test("a pod without a port is dialled at its container's", async () => {
  await using at = await connected();
  assert.match(
    (await said(at, { host: "10.244.0.5" })).hop("dial"),
    /^10\.244\.0\.5:8080: the gateway is connected/,
  );
});

Deno.test("a tunnel that isn't up is the cause, with its reason", async () => {
  await using at = await connected();
  await at.gateway[Symbol.asyncDispose]();
  const isDown = async () => (await at.daemon.status()).clusters[0]?.tunnel.state === "connecting";
  await until("the tunnel is down", isDown);
  const { works, cause, remedy } = await said(at, { host: "echo" });
  assert.equal(works, false);
  assert.match(cause, /^tunnel: the tunnel to the gateway isn't up: \S/);
  assert.match(remedy, /pmz agent status/);
});

Deno.test("the gateway's refusal is told in its own words", async () => {
  await using at = await connected((stream) => stream.respond([[":status", "502"]], { end: true }));
  const { works, cause } = await said(at, { host: "echo" });
  assert.equal(works, false);
  assert.match(cause, /^dial: 10\.96\.0\.7:80: refused by the gateway/);
});

Deno.test("of a dial that isn't answered, the policies are named that select the pods", async () => {
  await using at = await connected(() => {});
  const policy = (name: string, podSelector: object) =>
    at.cluster.put("/apis/networking.k8s.io/v1", "networkpolicies", {
      metadata: { name, namespace: "default" },
      spec: { podSelector, policyTypes: ["Ingress"] },
    });
  policy("deny", { matchLabels: { app: "echo" } });
  policy("others", { matchLabels: { app: "db" } });
  const { works, cause } = await said(at, { host: "echo" });
  assert.equal(works, false);
  assert.equal(cause, "policies: these NetworkPolicies may keep the gateway from its pods: default/deny");
});

Deno.test("of a dial that isn't answered, the endpoints are named where no policy selects the pods", async () => {
  await using at = await connected(() => {});
  const { works, cause, remedy, hop } = await said(at, { host: "echo" });
  assert.equal(works, false);
  assert.match(cause, /^dial: 10\.96\.0\.7:80 doesn't answer the gateway within/);
  assert.equal(
    remedy,
    "does a machine answer at its endpoints 10.244.0.5? " +
      "kubectl -n default get endpointslices -l kubernetes.io/service-name=echo",
  );
  assert.match(hop("policies"), /^no NetworkPolicy selects/);
  const pod = await said(at, { host: "10.244.0.5", port: 8080 });
  assert.equal(pod.remedy, "does the pod's node run? kubectl -n default get pod echo-1 -o wide");
});

Deno.test("without a cluster it is said that pmz isn't up", async () => {
  await using at = await fakeDaemon();
  const asked = explainRequest.parse({ host: "echo" }, "");
  await assert.rejects(at.daemon.explain(asked), fails("not-up"));
});
