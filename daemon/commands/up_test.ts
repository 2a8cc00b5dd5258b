import { until } from "../../async/testing/until.ts";
import assert from "node:assert/strict";
import { type Header, headerValue } from "../../hbone/mod.ts";
import { USUAL_PROXY_PORT } from "../../wire/proxy_port.ts";
import { FakeApi } from "../testing/cluster.ts";
import { echo } from "../../dataplane/testing/gateway.ts";
import { fakeDaemon, recorder } from "../testing/daemon.ts";
import { asks, attach } from "../testing/intercepts.ts";
import { fails, forever } from "../testing/fails.ts";

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

Deno.test("a namespace that doesn't exist is a warning, and one without Services isn't", async () => {
  await using at = await fakeDaemon();
  at.cluster.put("/api/v1", "namespaces", { metadata: { name: "empty" } });
  const warnings = async (namespace: string) => {
    const { warnings } = await at.daemon.up({ ...at.up, namespace }, recorder(), forever);
    await at.daemon.down({}, recorder());
    return warnings.map(({ message }) => message).join();
  };
  assert.match(await warnings("shpo"), /there is no namespace shpo in dev/);
  assert.doesNotMatch(await warnings("empty"), /no namespace/);
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

Deno.test("an ExternalName answers where it leads out of the cluster, or to a Service that answers", async () => {
  await using at = await fakeDaemon();
  const leads = (name: string, externalName: string) =>
    at.cluster.service(name, { type: "ExternalName", externalName });
  leads("outside", "shop.example");
  leads("inside", "echo.default.svc.cluster.local.");
  leads("twice", "inside.default.svc.cluster.local");
  leads("address", "192.0.2.7");
  leads("gone", "nosuch.default.svc.cluster.local");
  leads("circle", "round.default.svc.cluster.local");
  leads("round", "circle.default.svc.cluster.local");
  const { services, answering } = await at.daemon.up(at.up, recorder(), forever);
  assert.deepEqual([services, answering], [8, 4]);
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
  const result = await at.daemon.up({ ...at.up, proxyPort: freePort() }, report, forever);
  assert.equal(result.proof?.service, "echo.default");
  assert.deepEqual([result.services, result.answering, result.candidates], [3, 2, 2]);
  assert.deepEqual(result.try.map(({ name }) => name), ["echo.default.svc"], "what was silent isn't offered");
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
