import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { fakeDaemon, recorder } from "../testing/daemon.ts";
import { fails, forever } from "../testing/fails.ts";
import { asks, attach } from "../testing/intercepts.ts";

/** A reader of a hold, and its end. */
async function reader(daemon: Awaited<ReturnType<typeof fakeDaemon>>["daemon"]) {
  const gone = new AbortController();
  const told = daemon.hold({}, gone.signal);
  const { value } = await told.next();
  assert.ok(value && "hold" in value);
  const ended = told.next();
  return {
    hold: value.hold,
    /** What it is told next. */
    next: async () => (await ended).value,
    goAway: async () => {
      gone.abort();
      await ended;
    },
  };
}

Deno.test("a held intercept ends when its holder goes away, others stay", async () => {
  await using at = await fakeDaemon();
  using _attach = attach(at.cluster);
  const { kubeconfig = "" } = at.up;
  const own = { ...asks, kubeconfig };
  await at.daemon.intercept({ ...own, match: { hosts: ["shop.example"] } }, recorder(), forever);
  const { hold, goAway } = await reader(at.daemon);
  const report = recorder();
  await at.daemon.intercept({ ...own, hold }, report, forever);
  assert.doesNotMatch(report.told.join(), /nothing listens/, "the program is started next");
  assert.equal(at.cluster.all("interceptrules").length, 2);
  await goAway();
  assert.equal(at.cluster.all("interceptrules").length, 1);
});

Deno.test("to release a hold ends what is held, once", async () => {
  await using at = await fakeDaemon();
  using _attach = attach(at.cluster);
  const { kubeconfig = "" } = at.up;
  const { hold, goAway } = await reader(at.daemon);
  await at.daemon.intercept({ ...asks, kubeconfig, hold }, recorder(), forever);
  const report = recorder();
  assert.equal((await at.daemon.release({ hold }, report)).length, 1);
  assert.deepEqual(report.told.slice(0, 1), ["End echo.default:80"]);
  assert.deepEqual(at.cluster.all("interceptrules"), []);
  await at.daemon.intercept({ ...asks, kubeconfig }, recorder(), forever);
  await goAway();
  assert.equal(at.cluster.all("interceptrules").length, 1, "what was intercepted since then isn't its own");
});

Deno.test("an intercept whose holder has gone is refused, or undone where it went meanwhile", async () => {
  await using at = await fakeDaemon();
  const { kubeconfig = "" } = at.up;
  const { hold, goAway } = await reader(at.daemon);
  const intercepting = at.daemon.intercept({ ...asks, kubeconfig, hold }, recorder(), forever);
  await until("the rule is there", () => at.cluster.all("interceptrules").length === 1);
  await goAway();
  using _attach = attach(at.cluster);
  await assert.rejects(intercepting, fails("interrupted"));
  assert.deepEqual(at.cluster.all("interceptrules"), []);
  await assert.rejects(
    at.daemon.intercept({ ...asks, kubeconfig, hold }, recorder(), forever),
    fails("interrupted", /has ended/),
  );
});

Deno.test("an intercept that two commands hold ends with the last of them, and leads where the first said", async () => {
  await using at = await fakeDaemon();
  using _attach = attach(at.cluster);
  const { kubeconfig = "" } = at.up;
  const [first, second] = [await reader(at.daemon), await reader(at.daemon)];
  const own = { ...asks, kubeconfig };
  await at.daemon.intercept({ ...own, hold: first.hold }, recorder(), forever);
  await at.daemon.intercept({ ...own, hold: second.hold }, recorder(), forever);
  await assert.rejects(
    at.daemon.intercept(
      { ...own, local: { host: "127.0.0.1", port: 8082 }, hold: second.hold },
      recorder(),
      forever,
    ),
    fails("conflict", /intercepts echo\.default:80 already, and answers at 127\.0\.0\.1:8081/),
  );
  await second.goAway();
  assert.equal(at.cluster.all("interceptrules").length, 1);
  await first.goAway();
  assert.deepEqual(at.cluster.all("interceptrules"), []);
});

Deno.test("an intercept that stands without a command stays when one ends that asked for it, too", async () => {
  await using at = await fakeDaemon();
  using _attach = attach(at.cluster);
  const own = { ...asks, kubeconfig: at.up.kubeconfig ?? "" };
  const [before, after] = [await reader(at.daemon), await reader(at.daemon)];
  await at.daemon.intercept({ ...own, hold: before.hold }, recorder(), forever);
  await at.daemon.intercept(own, recorder(), forever);
  await before.goAway();
  assert.equal(at.cluster.all("interceptrules").length, 1, "asked for without a command since then");
  await at.daemon.intercept({ ...own, hold: after.hold }, recorder(), forever);
  await after.goAway();
  assert.equal(at.cluster.all("interceptrules").length, 1, "it was there before the command");
});

Deno.test("a holder is told when its intercept ends before it: at its time, or by another command", async () => {
  await using at = await fakeDaemon();
  using _attach = attach(at.cluster);
  const { kubeconfig = "" } = at.up;
  const timed = await reader(at.daemon);
  await at.daemon.intercept({ ...asks, kubeconfig, hold: timed.hold, ttl: 0 }, recorder(), forever);
  assert.deepEqual(await timed.next(), { ended: "echo.default:80", why: "time" });
  await timed.goAway();
  const left = await reader(at.daemon);
  const { id } = await at.daemon.intercept({ ...asks, kubeconfig, hold: left.hold }, recorder(), forever);
  await at.daemon.leave({ id }, recorder());
  assert.deepEqual(await left.next(), { ended: "echo.default:80", why: "left" });
  await left.goAway();
});
