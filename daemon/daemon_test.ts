import { until } from "../async/testing/until.ts";
import assert from "node:assert/strict";
import { fakeDaemon, recorder } from "./testing/daemon.ts";
import { asks, attach } from "./testing/intercepts.ts";
import { fails, forever } from "./testing/fails.ts";

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

Deno.test("custom names lead to a Service that is there, and are listed", async () => {
  await using at = await fakeDaemon();
  const shop = { domain: "shop.example", service: "echo", namespace: "default" };
  await assert.rejects(at.daemon.addName(shop), fails("not-up"));
  await at.daemon.up(at.up, recorder(), forever);
  await assert.rejects(at.daemon.addName({ ...shop, service: "gone" }), fails("not-found"));
  await assert.rejects(
    at.daemon.addName({ ...shop, namespace: "nowhere" }),
    fails("not-found", /there is one in default: echo\.default/),
  );
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
  await at.daemon.stop();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(at.ended(), 0);
  giveUp.abort(new DOMException("Ctrl-C", "AbortError"));
  await assert.rejects(up);
  await at.daemon.stop();
  await until("it ends when it isn't needed", () => at.ended() === 1);
});
