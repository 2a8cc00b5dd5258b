import assert from "node:assert/strict";
import { ensureInstalled, type Needs } from "./agents.ts";
import { FakeApi } from "../testing/cluster.ts";
import { fakeDaemon, recorder } from "../testing/daemon.ts";
import { fails, forever } from "../testing/fails.ts";

Deno.test("an agent that starts is waited for, and not installed again", async () => {
  await using at = await fakeDaemon();
  at.installer.states.gateway = "starting";
  const report = recorder();
  await at.daemon.up({ ...at.up, install: true }, report, forever);
  assert.deepEqual(report.told.slice(0, 2), ["Connect to the cluster", "Wait for the gateway"]);
  assert.deepEqual(at.installer.installed, []);
});

Deno.test("an agent that doesn't become ready fails what needs it, with the reason", async () => {
  await using at = await fakeDaemon();
  at.installer.states.gateway = "starting";
  at.installer.starting = () => Promise.reject(new Error("Deployment pmz/gateway isn't ready (0 of 1 pods)"));
  await assert.rejects(at.daemon.up(at.up, recorder(), forever), fails("agent", /0 of 1 pods/));
});

Deno.test("Ctrl-C ends the waiting for an agent", async () => {
  await using at = await fakeDaemon();
  at.installer.states.gateway = "starting";
  const interrupt = new AbortController();
  at.installer.starting = (signal) => {
    interrupt.abort(new DOMException("Ctrl-C", "AbortError"));
    return Promise.reject(signal.reason);
  };
  await assert.rejects(at.daemon.up(at.up, recorder(), interrupt.signal), fails("interrupted"));
});

Deno.test("an agent of another protocol is replaced only by force", async () => {
  await using at = await fakeDaemon();
  at.installer.states.gateway = "incompatible";
  const up = { ...at.up, install: true };
  await assert.rejects(at.daemon.up(up, recorder(), forever), fails("agent", /--force/));
  await at.daemon.up({ ...up, installOptions: { force: true } }, recorder(), forever);
  assert.deepEqual(at.installer.installed, ["gateway"]);
});

Deno.test("an agent that may not be looked at is taken to be there", async () => {
  await using at = await fakeDaemon();
  at.installer.states.gateway = "unknown";
  await at.daemon.up(at.up, recorder(), forever);
});

Deno.test("deploy and delete say how things stand afterwards", async () => {
  await using at = await fakeDaemon();
  at.installer.states.node = "absent";
  const { kubeconfig = "" } = at.up;
  const request = { kubeconfig, components: ["node"] as const };
  const report = recorder();
  assert.deepEqual(await at.daemon.installAgent(request, report, forever), [
    { component: "gateway", state: "ready" },
    { component: "node", state: "ready" },
  ]);
  assert.deepEqual(report.told, ["Install the node agent"]);
  const [, node] = await at.daemon.removeAgent(request, recorder(), forever);
  assert.equal(node?.state, "absent");
  assert.deepEqual((await at.daemon.agent({ kubeconfig })).map(({ state }) => state), ["ready", "absent"]);
});

Deno.test("an installation that fails says why, and where to look", async () => {
  await using at = await fakeDaemon();
  at.installer.installing = () => Promise.reject(new Error("the image can't be pulled"));
  const request = { kubeconfig: at.up.kubeconfig ?? "", components: ["gateway"] as const };
  await assert.rejects(
    at.daemon.installAgent(request, recorder(), forever),
    fails("agent", /can't be pulled .*pmz agent status/),
  );
});

Deno.test("pods that the cluster refuses have the reason and what to do", async () => {
  await using at = await fakeDaemon();
  const refused =
    "Deployment pmz/gateway isn't ready (0 of 1 pods): pods are refused: exceeded quota: small, requested: ...";
  at.installer.installing = () => Promise.reject(new Error(refused));
  const request = { kubeconfig: at.up.kubeconfig ?? "", components: ["gateway"] as const };
  await assert.rejects(
    at.daemon.installAgent(request, recorder(), forever),
    fails("agent", /exceeded quota: small.* kubectl -n pmz edit resourcequota small/),
  );
});

Deno.test("a node without a ready node agent doesn't hold up who installs it for an intercept", async () => {
  await using at = await fakeDaemon();
  at.installer.states.node = "absent";
  at.installer.after = "starting";
  at.installer.pods = { ready: 2, all: 3 };
  const report = recorder();
  await ensureInstalled(
    at.cluster.api,
    "node",
    { install: true },
    { installer: at.installer },
    report,
    forever,
  );
  assert.deepEqual(report.told, [
    "Install the node agent",
    "! the node agent is ready on 2 of 3 nodes: no reason given",
  ]);
});

Deno.test("agents of the connected cluster are meant, whatever the kubeconfig's current context is by now", async () => {
  await using at = await fakeDaemon();
  await using prod = new FakeApi();
  const config = JSON.parse(at.cluster.kubeconfig("staging"));
  config["current-context"] = "prod";
  config.clusters.push({ name: "p", cluster: { server: prod.url } });
  config.contexts.push({ name: "prod", context: { cluster: "p", user: "jo" } });
  const before = Deno.env.get("KUBECONFIG");
  Deno.env.set("KUBECONFIG", await at.kubeconfig(JSON.stringify(config)));
  try {
    await at.daemon.up({ mode: "proxy", install: false, context: "staging" }, recorder(), forever);
    const { cluster, warnings } = await at.daemon.plan({ mode: "proxy" });
    assert.equal(cluster.context, "staging");
    assert.deepEqual(warnings, [{
      message: "staging is meant, since it is connected; the current context is prod",
      hint: "to choose that one: --context prod",
    }]);
    await at.daemon.agent({});
    await at.daemon.installAgent({ components: ["gateway"] }, recorder(), forever);
    await at.daemon.removeAgent({ components: ["gateway"] }, recorder(), forever);
    assert.deepEqual(prod.asked, []);
  } finally {
    if (before === undefined) Deno.env.delete("KUBECONFIG");
    else Deno.env.set("KUBECONFIG", before);
  }
});

const rules = (newest: number) => ({ rules: { newest, oldest: 1 } });

Deno.test("an outdated agent is updated for a request that needs more, if the user has agreed to that", async () => {
  await using at = await fakeDaemon();
  at.installer.versions = rules(1);
  at.installer.outdated = true;
  const parts = { installer: at.installer };
  const ensure = (install: boolean, needs?: Needs) =>
    ensureInstalled(at.cluster.api, "node", { install }, parts, recorder(), forever, needs);
  const { install } = await at.daemon.plan({ ...at.up, mode: "intercept", rules: 1 });
  assert.deepEqual(install, []);
  assert.deepEqual((await at.daemon.plan({ ...at.up, mode: "intercept", rules: 2 })).install, ["node"]);
  await ensure(true, { rules: 1 });
  await assert.rejects(ensure(false, { rules: 2 }), fails("agent", /too old for this.*pmz agent deploy$/));
  assert.deepEqual(at.installer.installed, [], "what fits is kept");
  await ensure(true, { rules: 2 });
  assert.deepEqual(at.installer.installed, ["node"]);
});

Deno.test("an agent that lacks something, and serves laptops that ours would not, is replaced by force alone", async () => {
  await using at = await fakeDaemon();
  at.installer.versions = rules(1);
  const parts = { installer: at.installer };
  await assert.rejects(
    ensureInstalled(at.cluster.api, "node", { install: true }, parts, recorder(), forever, { rules: 2 }),
    fails("agent", /for everybody.*--force/),
  );
  assert.deepEqual((await at.daemon.plan({ ...at.up, mode: "intercept", rules: 2 })).install, []);
});

Deno.test("one node of many without its agent doesn't prevent intercepts on the others", async () => {
  await using at = await fakeDaemon();
  at.installer.states.node = "starting";
  at.installer.pods = { ready: 9, all: 10 };
  const parts = { installer: at.installer };
  const report = recorder();
  await ensureInstalled(at.cluster.api, "node", { install: false }, parts, report, forever);
  assert.match(report.told.join(), /^! the node agent is ready on 9 of 10 nodes/);
  at.installer.pods = { ready: 0, all: 10 };
  at.installer.starting = () => Promise.reject(new Error("DaemonSet pmz-node/node-agent isn't ready"));
  await assert.rejects(
    ensureInstalled(at.cluster.api, "node", { install: false }, parts, recorder(), forever),
    fails("agent"),
  );
});
