import { until } from "../async/testing/until.ts";
import assert from "node:assert/strict";
import { type Header, headerValue } from "../hbone/mod.ts";
import type { FailureCode, InterceptRequest } from "../wire/control.ts";
import { USUAL_PROXY_PORT } from "../wire/proxy_port.ts";
import { FakeApi } from "./testing/cluster.ts";
import { echo } from "../dataplane/testing/gateway.ts";
import { describe } from "./failure.ts";
import { fakeDaemon, recorder } from "./testing/daemon.ts";

const forever = new AbortController().signal;
const fails = (code: FailureCode, text = /./) => (error: unknown) => {
  const failure = describe(error);
  assert.equal(failure.code, code, `${failure.message}: ${failure.causes}`);
  assert.match(`${failure.message} ${failure.hint}`, text);
  return true;
};

Deno.test("up connects, says what there is, and proves it", async () => {
  await using at = await fakeDaemon();
  const report = recorder();
  const port = freePort(); // the usual one may be another program's
  const result = await at.daemon.up({ ...at.up, proxyPort: port }, report, forever);
  assert.deepEqual(report.told, [
    "Connect to the cluster",
    "Open the tunnel",
    "Start the proxy",
    "Try a connection",
  ]);
  const { proof, proxy, ...rest } = result;
  assert.ok(proof?.service === "echo.default" && proof.port === 80 && proof.ms > 0);
  assert.equal(proxy, `127.0.0.1:${port}`);
  assert.deepEqual(rest, {
    cluster: { context: "dev", server: at.cluster.url, namespace: "default", user: "jo" },
    mode: "proxy",
    services: 1,
    answering: 1,
    candidates: 1,
    try: [{ name: "echo.default.svc", port: 80, http: true, scheme: "http" }],
    warnings: [],
  });
  const status = await at.daemon.status();
  const [dev] = status.clusters;
  assert.deepEqual([dev?.mode, dev?.tunnel.state, dev?.services], ["proxy", "connected", 1]);
  assert.equal(status.proxy, proxy);
  assert.deepEqual(
    (await at.daemon.services()).map(({ hostname, readyEndpoints }) => [hostname, readyEndpoints]),
    [
      ["echo.default.svc", 1],
    ],
  );
});

Deno.test("up again uses what is there, and down leaves nothing", async () => {
  await using at = await fakeDaemon();
  await at.daemon.up(at.up, recorder(), forever);
  await at.daemon.up(at.up, recorder(), forever);
  assert.equal(at.gateway.dials, 1);
  const report = recorder();
  assert.deepEqual(await at.daemon.down({}, report), { wasUp: true, left: [] });
  assert.deepEqual(report.told, ["Disconnect dev"]);
  assert.deepEqual((await at.daemon.status()).clusters, []);
  assert.equal((await at.daemon.status()).proxy, undefined);
  assert.equal((await at.gateway.connections[0]?.closed) === undefined, false);
  await until("the daemon ends", () => at.ended() === 1);
});

Deno.test("up again looks again at what might not be seen before", async () => {
  await using at = await fakeDaemon();
  at.cluster.service("cart", { clusterIP: "10.96.0.9", ports: [{ port: 80 }] }, "shop");
  at.cluster.refuse = (asked) =>
    /^GET \/(api|apis)\/.*\/(services|pods|endpointslices)$/.test(asked) && !asked.includes("/namespaces/")
      ? new Response("", { status: 403 })
      : undefined;
  const first = await at.daemon.up(at.up, recorder(), forever);
  assert.equal(first.services, 1);
  assert.match(first.warnings.map(({ message }) => message).join(), /only services of the namespace default/);
  at.cluster.refuse = () => undefined;
  const second = await at.daemon.up(at.up, recorder(), forever);
  assert.deepEqual([second.services, second.warnings], [2, []]);
  at.cluster.service("late", { clusterIP: "10.96.0.10", ports: [{ port: 80 }] }, "shop");
  await until("it's followed", async () => (await at.daemon.services()).length === 3);
});

Deno.test("two ups at once connect once", async () => {
  await using at = await fakeDaemon();
  await Promise.all([1, 2].map(() => at.daemon.up(at.up, recorder(), forever)));
  assert.equal(at.gateway.dials, 1);
  assert.equal((await at.daemon.status()).clusters.length, 1);
});

Deno.test("a Service that refuses connections doesn't stop an up: the way there works", async () => {
  await using at = await fakeDaemon({
    onStream(stream) {
      if (headerValue(stream.request, ":authority") !== "10.96.0.6:80") return echo(stream);
      const why: Header = ["proxy-status", 'pmz-gateway; error=connection_refused; details="refused"'];
      stream.respond([[":status", "502"], why], { end: true });
    },
  });
  at.cluster.service("broken", { clusterIP: "10.96.0.6", ports: [{ port: 80 }] });
  at.cluster.slice("broken", ["10.244.0.9"], [{ port: 8080 }]);
  const [broken, echoing] = ["broken", "echo"];
  // Whichever is looked at first.
  for (const refuses of [broken, echoing]) {
    const report = recorder();
    const result = await at.daemon.up(at.up, report, forever);
    assert.equal(result.proof?.service, "echo.default", refuses);
  }
});

Deno.test("a Service that doesn't answer is a warning that names it, and the next one is tried", async () => {
  await using at = await fakeDaemon({
    onStream(stream) {
      if (headerValue(stream.request, ":authority") === "10.96.0.7:80") echo(stream); // the other one is silent
    },
  });
  at.cluster.service("dead", { clusterIP: "10.96.0.6", ports: [{ port: 80 }] });
  at.cluster.slice("dead", ["10.9.0.5"], [{ port: 8080 }]);
  at.cluster.service("empty", { clusterIP: "10.96.0.5", ports: [{ port: 80 }] });
  at.cluster.slice("empty", [], [{ port: 8080 }]);
  const report = recorder();
  // They are tried in the order in which the cluster lists them.
  at.cluster.delete("/api/v1", "services", "echo");
  at.cluster.service("echo", {
    clusterIP: "10.96.0.7",
    ports: [{ name: "http", port: 80, targetPort: 8080 }],
  });
  const result = await at.daemon.up(at.up, report, forever);
  assert.equal(result.proof?.service, "echo.default");
  assert.deepEqual([result.services, result.answering, result.candidates], [3, 2, 2]);
  assert.deepEqual(report.told.filter((line) => line.startsWith("!")), [
    "! dead.default:80 doesn't accept connections: no answer through the tunnel from 10.96.0.6:80 within 3 s",
  ]);
});

Deno.test("an up where every Service refuses says so, and is up", async () => {
  await using at = await fakeDaemon({
    onStream: (stream) => stream.respond([[":status", "502"]], { end: true }),
  });
  const report = recorder();
  const result = await at.daemon.up(at.up, report, forever);
  assert.equal(result.proof, undefined);
  assert.match(report.told.join(), /! echo\.default:80 doesn't accept connections/);
  assert.equal((await at.daemon.status()).clusters.length, 1);
});

Deno.test("without a gateway, and without a yes to installing one, nothing is done", async () => {
  await using at = await fakeDaemon();
  at.installer.states.gateway = "absent";
  await assert.rejects(at.daemon.up(at.up, recorder(), forever), fails("agent", /pmz agent deploy/));
  assert.deepEqual((await at.daemon.status()).clusters, []);
  await at.daemon.up({ ...at.up, install: true }, recorder(), forever);
  assert.deepEqual(at.installer.installed, ["gateway"]);
});

Deno.test("Ctrl-C at any step undoes what was begun", async () => {
  for (
    const step of [
      "Connect to the cluster",
      "Install the gateway",
      "Open the tunnel",
      "Start the proxy",
      "Try a connection",
    ]
  ) {
    await using at = await fakeDaemon();
    at.installer.states.gateway = "absent";
    const interrupt = new AbortController();
    const report = recorder();
    const { step: run } = report;
    report.step = (name, work, done) =>
      run(name, (detail) => {
        if (name === step) interrupt.abort(new DOMException("the command line went away", "AbortError"));
        return work(detail);
      }, done);
    await assert.rejects(
      at.daemon.up({ ...at.up, install: true }, report, interrupt.signal),
      fails("interrupted"),
      step,
    );
    const status = await at.daemon.status();
    assert.deepEqual([status.clusters, status.proxy], [[], undefined], step);
  }
});

Deno.test("Ctrl-C ends the waiting: for a server that doesn't answer, for a gateway that isn't there", async () => {
  for (const where of ["server", "gateway"]) {
    await using at = await fakeDaemon();
    if (where === "server") at.cluster.silent = true;
    else at.cluster.delete("/api/v1", "pods", "gateway-1", "pmz");
    const interrupt = new AbortController();
    const up = at.daemon.up(at.up, recorder(), interrupt.signal);
    await until("it waits", () => at.cluster.asked.length > (where === "server" ? 0 : 8));
    interrupt.abort(new DOMException("Ctrl-C", "AbortError"));
    await assert.rejects(up, fails("interrupted"), where);
    assert.deepEqual((await at.daemon.status()).clusters, []);
  }
});

Deno.test("down interrupts a running up, and one that waits for its turn", async () => {
  await using at = await fakeDaemon();
  at.cluster.silent = true;
  const ups = [1, 2].map(() => at.daemon.up(at.up, recorder(), forever));
  const settled = Promise.allSettled(ups);
  await until("the first one waits", () => at.cluster.asked.length > 0);
  assert.deepEqual(await at.daemon.down({}, recorder()), { wasUp: false, left: [] });
  for (const one of await settled) {
    assert.ok(one.status === "rejected");
    fails("interrupted", /pmz down/)(one.reason);
  }
});

Deno.test("a failed up of a connected cluster leaves it as it was", async () => {
  await using at = await fakeDaemon();
  await at.daemon.up(at.up, recorder(), forever);
  await assert.rejects(at.daemon.up({ ...at.up, mode: "capture" }, recorder(), forever), fails("helper"));
  await assert.rejects(
    at.daemon.up({ ...at.up, proxyPort: 1 }, recorder(), forever),
    fails("conflict", /already/),
  );
  const status = await at.daemon.status();
  assert.equal(status.clusters[0]?.mode, "proxy");
  assert.ok(status.proxy);
  assert.deepEqual(status.helper, { state: "none" });
});

Deno.test("another cluster by the name of a connected one is refused, and one by another name is connected as well", async () => {
  await using at = await fakeDaemon();
  await using other = new FakeApi();
  other.pod("gateway-1", { namespace: "pmz" });
  await at.daemon.up(at.up, recorder(), forever);
  const same = { ...at.up, kubeconfig: await at.kubeconfig(other.kubeconfig("dev")) };
  await assert.rejects(
    at.daemon.up(same, recorder(), forever),
    fails("conflict", /another cluster .* as dev/),
  );
  const asWell = { ...at.up, kubeconfig: await at.kubeconfig(other.kubeconfig("prod")) };
  await at.daemon.up(asWell, recorder(), forever);
  assert.deepEqual((await at.daemon.status()).clusters.map(({ cluster }) => cluster.context), [
    "dev",
    "prod",
  ]);
  assert.deepEqual(await at.daemon.down({ context: "prod" }, recorder()), { wasUp: true, left: [] });
  assert.equal((await at.daemon.status()).clusters.length, 1);
  await assert.rejects(at.daemon.down({ context: "prod" }, recorder()), fails("not-up", /connected: dev/));
});

Deno.test("a context that isn't there, and a server that refuses, are told as that", async () => {
  await using at = await fakeDaemon();
  await assert.rejects(
    at.daemon.up({ ...at.up, context: "gone" }, recorder(), forever),
    fails("not-found", /dev/),
  );
  const refusing = at.cluster.kubeconfig().replace(/127\.0\.0\.1:\d+/, "127.0.0.1:1");
  const request = { ...at.up, kubeconfig: await at.kubeconfig(refusing) };
  await assert.rejects(at.daemon.up(request, recorder(), forever), fails("unreachable"));
});

Deno.test("a daemon with nothing to do ends by itself, but not in the middle of work", async () => {
  await using at = await fakeDaemon({ idleMs: 30 });
  at.installer.states.gateway = "absent";
  const installing = Promise.withResolvers<void>();
  at.installer.installing = () => installing.promise;
  const up = at.daemon.up({ ...at.up, install: true }, recorder(), forever);
  await at.daemon.plan(at.up); // which ends while the other still runs
  await new Promise((resolve) => setTimeout(resolve, 80));
  assert.equal(at.ended(), 0);
  installing.resolve();
  await up;
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(at.ended(), 0);
  await at.daemon.down({}, recorder());
  await until("it ends", () => at.ended() > 0);
});

Deno.test("a plan says what would be done, and does nothing of it", async () => {
  await using at = await fakeDaemon();
  at.installer.states.gateway = "absent";
  const { kubeconfig } = at.up;
  const plan = await at.daemon.plan({ ...(kubeconfig && { kubeconfig }), mode: "capture" });
  assert.deepEqual(plan.install, ["gateway"]);
  assert.equal(plan.cluster.context, "dev");
  assert.equal(plan.helper?.uid, Deno.uid());
  assert.deepEqual(plan.helper?.never, ["127.0.0.1"]);
  assert.equal(plan.connected, undefined);
  assert.deepEqual((await at.daemon.status()).clusters, []);
  at.installer.states.gateway = "ready";
  await at.daemon.up(at.up, recorder(), forever);
  const again = await at.daemon.plan(at.up);
  assert.deepEqual([again.connected, again.install, again.helper], ["proxy", [], undefined]);
  assert.deepEqual(again.warnings, []);
});

Deno.test("ranges that are accepted are granted to the helper", async () => {
  await using at = await fakeDaemon();
  const capture = { ...at.up, mode: "capture" } as const;
  const plan = await at.daemon.plan({ ...capture, ranges: ["34.118.224.0/20"] });
  assert.deepEqual(plan.helper?.ranges, ["34.118.224.0/20"]);
  await assert.rejects(at.daemon.plan({ ...capture, ranges: ["10.0.0.0/99"] }), /not a valid range/);
});

Deno.test("who may not forward ports to the gateway is told in the plan, with the line for an administrator", async () => {
  await using at = await fakeDaemon();
  at.cluster.allows = (action) => action !== "get pods/portforward in pmz";
  await assert.rejects(
    at.daemon.plan({ ...at.up, mode: "capture" }),
    fails(
      "forbidden",
      /You may not get pods\/portforward in namespace pmz.*rolebinding .*--user=jo@example\.com/,
    ),
  );
  await at.daemon.plan({ ...at.up, mode: "intercept" }); // which needs no gateway
  at.cluster.refuse = (asked) =>
    asked.includes("accessreviews") ? new Response("", { status: 404 }) : undefined;
  assert.equal((await at.daemon.plan({ ...at.up, mode: "proxy" })).cluster.context, "dev");
});

Deno.test("a namespace that a connection can't have any more is warned of in the plan", async () => {
  await using at = await fakeDaemon();
  await at.daemon.up(at.up, recorder(), forever);
  const { warnings } = await at.daemon.plan({ ...at.up, namespace: "shop" });
  assert.match(warnings[0]?.message ?? "", /namespace default: -n shop changes nothing$/);
  assert.match(warnings[0]?.hint ?? "", /pmz down --context dev, then pmz up --context dev -n shop$/);
  const intercepting = await at.daemon.plan({ ...at.up, mode: "intercept", namespace: "shop" });
  assert.deepEqual(intercepting.warnings, []);
});

Deno.test("the warnings of an up are told as they come, and stand in its result", async () => {
  await using at = await fakeDaemon({
    onStream: (stream) => stream.respond([[":status", "502"]], { end: true }),
  });
  const report = recorder();
  const { warnings } = await at.daemon.up(at.up, report, forever);
  assert.ok(warnings.length > 0);
  assert.deepEqual(
    report.told.filter((one) => one.startsWith("! ")),
    warnings.map(({ message }) => `! ${message}`),
  );
});

Deno.test("a proxy that isn't on its usual port says why, once", async () => {
  await using at = await fakeDaemon();
  {
    using _taken = takePort(USUAL_PROXY_PORT);
    for (const told of [true, false]) {
      const report = recorder();
      const { proxy } = await at.daemon.up(at.up, report, forever);
      const warning = `! the proxy is on ${proxy}: another program has port ${USUAL_PROXY_PORT} of 127.0.0.1`;
      assert.equal(report.told.includes(warning), told, report.told.join());
    }
  }
});

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Takes a port of 127.0.0.1, unless another program has it. */
function takePort(port: number): Deno.TcpListener | undefined {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return undefined;
    throw error;
  }
}

Deno.test("custom names lead to a Service that is there, and are listed", async () => {
  await using at = await fakeDaemon();
  const shop = { domain: "shop.example", service: "echo", namespace: "default" };
  await assert.rejects(at.daemon.addName(shop), fails("not-up"));
  await at.daemon.up(at.up, recorder(), forever);
  await assert.rejects(at.daemon.addName({ ...shop, service: "gone" }), fails("not-found"));
  await assert.rejects(at.daemon.addName({ ...shop, domain: "echo" }), fails("usage", /Service echo/));
  assert.deepEqual((await at.daemon.addName(shop)).addresses, ["10.96.0.7"]);
  assert.equal((await at.daemon.addName(shop)).before, undefined);
  at.cluster.service("cart", { clusterIP: "10.96.0.8", ports: [{ port: 80 }] });
  await until(
    "the other Service is there",
    async () => (await at.daemon.services()).some(({ name }) => name === "cart"),
  );
  assert.equal((await at.daemon.addName({ ...shop, service: "cart" })).before, "echo.default");
  assert.equal((await at.daemon.addName(shop)).before, "cart.default");
  assert.ok(at.daemon.names().some(({ name, custom }) => custom && name === "shop.example"));
  assert.equal((await at.daemon.removeName({ domain: "shop.example" })).target, "echo.default");
  await assert.rejects(at.daemon.removeName({ domain: "shop.example" }), fails("not-found"));
});

const asks: InterceptRequest = { service: "echo", local: { host: "127.0.0.1", port: 8081 }, install: false };

/** The node agent: says of each rule that it's in force, as soon as it's there. */
function attach(cluster: FakeApi, state = "ready"): Disposable {
  const said = new Set<string>();
  const timer = setInterval(() => {
    for (const [name, { metadata }] of cluster.all("interceptrules")) {
      if (said.has(String(metadata.uid))) continue;
      said.add(String(metadata.uid));
      const pod = { node: "a", pod: "echo-1", uid: crypto.randomUUID(), state, reason: "the test says so" };
      cluster.ruleStatus(name.split("/")[1] ?? "", [pod]);
    }
  }, 1);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

Deno.test("what this laptop answers itself is no proof, and isn't dialled for one", async () => {
  await using at = await fakeDaemon();
  using _attach = attach(at.cluster);
  await at.daemon.up(at.up, recorder(), forever);
  await at.daemon.intercept({ ...asks, ...at.up }, recorder(), forever);
  const report = recorder();
  const result = await at.daemon.up(at.up, report, forever);
  assert.deepEqual([result.candidates, result.proof, result.answering], [0, undefined, 1]);
  assert.ok(!report.told.includes("Try a connection"));
});

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
    await at.daemon.intercept({ ...asks, kubeconfig }, recorder(), forever);
  }
  at.cluster.ruleStatus("echo-80", []);
  await until("no pod is ready", async () => (await at.daemon.intercepts())[0]?.pods.ready === 0);
  const interrupt = new AbortController();
  const report = recorder();
  const changed = { ...asks, kubeconfig, local: { host: "127.0.0.1", port: 9090 } };
  const changing = at.daemon.intercept(changed, report, interrupt.signal);
  await until("it's changed", () => report.told.includes("Intercept the pods..."));
  interrupt.abort(new DOMException("Ctrl-C", "AbortError"));
  await assert.rejects(changing, fails("interrupted"));
  assert.deepEqual((await at.daemon.intercepts()).map(({ local }) => local), ["127.0.0.1:8081"]);
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

Deno.test("down with a server that doesn't answer takes seconds, and says what the cluster still has", async () => {
  await using at = await fakeDaemon();
  using _attach = attach(at.cluster);
  await at.daemon.intercept({ ...asks, kubeconfig: at.up.kubeconfig ?? "" }, recorder(), forever);
  at.cluster.silent = true;
  const started = performance.now();
  const report = recorder();
  assert.deepEqual(await at.daemon.down({}, report), { wasUp: true, left: [] });
  assert.ok(performance.now() - started < 5_000);
  assert.match(report.told.join(), /! still there: the session jo-example-com/);
});

Deno.test("a daemon that ends interrupts the running work", async () => {
  const at = await fakeDaemon();
  at.cluster.silent = true;
  const up = at.daemon.up(at.up, recorder(), forever);
  const rejected = assert.rejects(up, fails("interrupted", /daemon is ending/));
  await until("it waits", () => at.cluster.asked.length > 0);
  await at[Symbol.asyncDispose]();
  await rejected;
  await assert.rejects(at.daemon.up(at.up, recorder(), forever), fails("interrupted"));
});

Deno.test("a command that has no more use for the daemon doesn't end it under another one", async () => {
  await using at = await fakeDaemon();
  at.cluster.silent = true;
  const giveUp = new AbortController();
  const up = at.daemon.up(at.up, recorder(), giveUp.signal);
  await until("it connects", () => at.cluster.asked.length > 0);
  at.daemon.stop();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(at.ended(), 0);
  giveUp.abort(new DOMException("Ctrl-C", "AbortError"));
  await assert.rejects(up);
  at.daemon.stop();
  await until("it ends when it isn't needed", () => at.ended() === 1);
});
