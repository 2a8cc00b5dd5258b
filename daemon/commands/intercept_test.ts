import { until } from "../../async/testing/until.ts";
import assert from "node:assert/strict";
import { FakeApi } from "../testing/cluster.ts";
import { describe } from "../control_error.ts";
import { fakeDaemon, recorder } from "../testing/daemon.ts";
import { asks, attach } from "../testing/intercepts.ts";
import { fails, forever } from "../testing/fails.ts";

Deno.test("intercept takes a port over, list shows it, leave gives it back and disconnects what only it needed", async () => {
  await using at = await fakeDaemon();
  using _attach = attach(at.cluster);
  const { kubeconfig = "" } = at.up;
  const report = recorder();
  const entry = await at.daemon.intercept({ ...asks, kubeconfig }, report, forever);
  assert.deepEqual(report.told.slice(0, 3), [
    "Connect to the cluster",
    "Create the rule",
    "Intercept the pods",
  ]);
  assert.match(report.told[3] ?? "", /^! nothing listens at 127\.0\.0\.1:8081 yet/);
  assert.equal(entry.id, "echo.default:80");
  assert.deepEqual(entry.pods, { ready: 1, all: 1 });
  assert.deepEqual((await at.daemon.intercepts()).map(({ id }) => id), ["echo.default:80"]);
  assert.equal((await at.daemon.services())[0]?.intercepted, "echo.default:80");
  await assert.rejects(at.daemon.leave({ id: "shop.default" }, recorder()), fails("not-found"));
  await at.daemon.leave({ id: "echo.default" }, recorder());
  assert.deepEqual(at.cluster.all("interceptsessions"), []);
  assert.deepEqual((await at.daemon.status()).clusters, []);
});

Deno.test("an intercept that is never in force, or interrupted, is undone", async () => {
  await using at = await fakeDaemon();
  const { kubeconfig = "" } = at.up;
  const interrupt = new AbortController();
  const intercepting = at.daemon.intercept({ ...asks, kubeconfig }, recorder(), interrupt.signal);
  await until("the rule is there", () => at.cluster.all("interceptrules").length === 1);
  interrupt.abort(new DOMException("Ctrl-C", "AbortError"));
  await assert.rejects(intercepting, fails("interrupted"));
  assert.deepEqual(at.cluster.all("interceptsessions"), []);
  assert.deepEqual(at.cluster.all("interceptrules"), []);
  assert.deepEqual((await at.daemon.status()).clusters, []);
});

Deno.test("an intercept that goes to another program says from where it was moved", async () => {
  await using at = await fakeDaemon();
  using _attach = attach(at.cluster);
  const { kubeconfig = "" } = at.up;
  for (const [port, told] of [[8081, false], [8081, false], [9090, true]] as const) {
    const report = recorder();
    await at.daemon.intercept({ ...asks, kubeconfig, local: { host: "127.0.0.1", port } }, report, forever);
    assert.equal(
      report.told.includes("! echo.default:80 was moved from 127.0.0.1:8081"),
      told,
      report.told.join(),
    );
  }
});

Deno.test("a second Service over the same port of the same pods is refused at once, with what to leave first", async () => {
  await using at = await fakeDaemon();
  using _attach = attach(at.cluster);
  at.cluster.service("echo-canary", {
    clusterIP: "10.96.0.8",
    selector: { app: "echo" },
    ports: [{ port: 81, targetPort: 8080 }, { name: "other", port: 82, targetPort: 8082 }],
  });
  const { kubeconfig = "" } = at.up;
  await at.daemon.intercept({ ...asks, kubeconfig }, recorder(), forever);
  const second = { ...asks, kubeconfig, service: "echo-canary", port: "81" };
  await assert.rejects(
    at.daemon.intercept(second, recorder(), forever),
    (error) => {
      const { code, message, hint } = describe(error);
      assert.equal(code, "conflict");
      assert.match(
        message,
        /echo-canary\.default:81 leads to the same port of the same pods as echo\.default:80/,
      );
      assert.match(hint ?? "", /pmz leave echo\.default:80 first/);
      return true;
    },
  );
  assert.equal(at.cluster.all("interceptrules").length, 1);
  await at.daemon.intercept({ ...second, port: "82" }, recorder(), forever);
  await at.daemon.leave({ id: "echo.default:80" }, recorder());
  await at.daemon.intercept({ ...asks, kubeconfig, match: { hosts: ["shop.example"] } }, recorder(), forever);
  await at.daemon.intercept(second, recorder(), forever); // a part of a port and the whole of it go together
});

Deno.test("what every node agent refuses isn't waited for, and has its reason", async () => {
  await using at = await fakeDaemon();
  using _attach = attach(at.cluster, "refused");
  const { kubeconfig = "" } = at.up;
  const begun = performance.now();
  await assert.rejects(
    at.daemon.intercept({ ...asks, kubeconfig }, recorder(), forever),
    fails("conflict", /none of 1 pods can be intercepted: echo-1: the test says so/),
  );
  assert.ok(performance.now() - begun < 20_000);
});

Deno.test("a node agent that is being replaced is waited for", async () => {
  await using at = await fakeDaemon();
  at.cluster.put("/api/v1", "pods", {
    metadata: {
      name: "node-agent-z",
      namespace: "pmz-node",
      uid: crypto.randomUUID(),
      labels: { "app.kubernetes.io/part-of": "pmz", "app.kubernetes.io/component": "node" },
      ownerReferences: [{
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        name: "node-agent",
        uid: "u",
        controller: true,
      }],
    },
    spec: { nodeName: "another", containers: [] },
    status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
  });
  const { kubeconfig = "" } = at.up;
  const intercepting = at.daemon.intercept({ ...asks, kubeconfig }, recorder(), forever);
  intercepting.catch(() => {}); // it is awaited below
  await new Promise((resolve) => setTimeout(resolve, 3_000)); // longer than a refusal is waited for
  using _attach = attach(at.cluster);
  assert.deepEqual((await intercepting).pods, { ready: 1, all: 1 });
});

Deno.test("an intercept of pods that aren't ready says at once which callers don't arrive", async () => {
  await using at = await fakeDaemon();
  using _attach = attach(at.cluster);
  at.cluster.slice("echo", [], [{ name: "http", port: 8080 }]);
  at.cluster.put("/api/v1", "pods", {
    metadata: { name: "echo-1", namespace: "default", uid: crypto.randomUUID(), labels: { app: "echo" } },
    spec: { nodeName: "a", containers: [] },
    status: {
      phase: "Running",
      podIP: "10.244.0.5",
      conditions: [{ type: "Ready", status: "False" }],
      containerStatuses: [{ name: "c", state: { waiting: { reason: "CrashLoopBackOff" } } }],
    },
  });
  const { kubeconfig = "" } = at.up;
  const entry = await at.daemon.intercept({ ...asks, kubeconfig }, recorder(), forever);
  assert.deepEqual(entry.problems, [
    "none of its pods is ready (echo-1: CrashLoopBackOff), so Kubernetes leads no caller of the Service to them: " +
    "only connections to a pod's own address arrive",
  ]);
});

Deno.test("an intercept that is changed, and then interrupted, goes where it went", async () => {
  await using at = await fakeDaemon();
  const { kubeconfig = "" } = at.up;
  {
    using _attach = attach(at.cluster);
    await at.daemon.intercept({ ...asks, kubeconfig, ttl: 3_600 }, recorder(), forever);
  }
  const [before] = await at.daemon.intercepts();
  at.cluster.ruleStatus("echo-80", []);
  await until("no pod is ready", async () => (await at.daemon.intercepts())[0]?.pods.ready === 0);
  const interrupt = new AbortController();
  const report = recorder();
  const changed = { ...asks, kubeconfig, local: { host: "127.0.0.1", port: 9090 } };
  const changing = at.daemon.intercept(changed, report, interrupt.signal);
  await until("it's changed", () => report.told.includes("Intercept the pods..."));
  interrupt.abort(new DOMException("Ctrl-C", "AbortError"));
  await assert.rejects(changing, fails("interrupted"));
  const [after] = await at.daemon.intercepts();
  assert.deepEqual([after?.local, after?.until], ["127.0.0.1:8081", before?.until]);
  assert.ok(after?.until);
});

Deno.test("a namespace that allows no intercepts, and a Service that isn't there, are told as that", async () => {
  await using at = await fakeDaemon();
  const { kubeconfig = "" } = at.up;
  at.cluster.put("/api/v1", "namespaces", {
    metadata: { name: "default", labels: { "pmz.dev/intercept": "denied" } },
  });
  await assert.rejects(
    at.daemon.intercept({ ...asks, kubeconfig }, recorder(), forever),
    fails("forbidden", /denied/),
  );
  const gone = { ...asks, kubeconfig, service: "gone" };
  await assert.rejects(at.daemon.intercept(gone, recorder(), forever), fails("not-found"));
  assert.deepEqual((await at.daemon.status()).clusters, []);
});

Deno.test("where one name means intercepts of two clusters, it has to be said which", async () => {
  await using at = await fakeDaemon();
  await using other = new FakeApi();
  other.service("echo", { clusterIP: "10.96.0.9", selector: { app: "echo" }, ports: [{ port: 80 }] });
  other.pod("echo-1", { labels: { app: "echo" }, ip: "10.244.0.5" });
  using _here = attach(at.cluster);
  using _there = attach(other);
  const second = await at.kubeconfig(other.kubeconfig("prod"));
  await at.daemon.intercept({ ...asks, kubeconfig: at.up.kubeconfig ?? "" }, recorder(), forever);
  await at.daemon.intercept({ ...asks, kubeconfig: second }, recorder(), forever);
  const ids = async () => (await at.daemon.intercepts()).map(({ id }) => id);
  assert.deepEqual(await ids(), ["echo.default:80@dev", "echo.default:80@prod"]);
  await assert.rejects(
    at.daemon.leave({ id: "echo.default:80" }, recorder()),
    fails("usage", /@dev, .*@prod/),
  );
  await at.daemon.leave({ id: "echo.default@prod" }, recorder());
  assert.deepEqual(await ids(), ["echo.default:80"]);
});
