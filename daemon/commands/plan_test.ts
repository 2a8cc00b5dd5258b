import assert from "node:assert/strict";
import { fakeDaemon, recorder } from "../testing/daemon.ts";
import { fails, forever } from "../testing/fails.ts";

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
  assert.deepEqual((await at.daemon.plan(capture)).helper?.ranges, [], "a plan remembers nothing");
});

Deno.test("accounts that are to be inside are granted, and have to be this machine's", async () => {
  await using at = await fakeDaemon();
  const capture = { ...at.up, mode: "capture" } as const;
  assert.deepEqual((await at.daemon.plan({ ...capture, also: ["root"] })).helper?.also, ["root"]);
  await assert.rejects(
    at.daemon.plan({ ...capture, also: ["no-such-account"] }),
    fails("usage", /this machine has no account no-such-account/),
  );
  assert.deepEqual((await at.daemon.plan(capture)).helper?.also, [], "they aren't remembered");
});

Deno.test("an up remembers what was accepted for its context, and forgets what is taken back; one that fails does neither", async () => {
  await using at = await fakeDaemon();
  const granted = async () => (await at.daemon.plan({ ...at.up, mode: "capture" })).helper?.ranges;
  const accepted = async () => (await at.daemon.status()).clusters[0]?.acceptedRanges;
  at.installer.installing = () => Promise.reject(new Error("no room"));
  at.installer.states.gateway = "absent";
  const ranges = ["34.118.224.0/20"];
  await assert.rejects(at.daemon.up({ ...at.up, install: true, ranges }, recorder(), forever), /no room/);
  assert.deepEqual(await granted(), []);
  at.installer.states.gateway = "ready";
  await at.daemon.up({ ...at.up, ranges }, recorder(), forever);
  assert.deepEqual(await accepted(), ranges);
  await at.daemon.down({}, recorder());
  await at.daemon.up(at.up, recorder(), forever);
  assert.deepEqual([await accepted(), await granted()], [ranges, ranges]);
  const other = { ...at.up, kubeconfig: await at.kubeconfig(at.cluster.kubeconfig("prod")) };
  await at.daemon.up({ ...other, ranges: ["10.96.0.0/12"] }, recorder(), forever);
  assert.deepEqual(await accepted(), ranges, "another context's is its own");
  await at.daemon.up({ ...at.up, forgetRanges: ranges }, recorder(), forever);
  assert.deepEqual([await accepted(), await granted()], [[], ["10.96.0.0/12"]]);
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

Deno.test("a plan warns of a gateway that is too old for UDP", async () => {
  await using at = await fakeDaemon();
  at.installer.versions = { tunnel: { newest: 1, oldest: 1 } };
  at.installer.outdated = true;
  const plan = await at.daemon.plan(at.up);
  assert.deepEqual([plan.install, plan.warnings], [[], [{
    message: "the gateway in the cluster is older than this pmz, and carries no UDP",
    hint: "to update it, for everybody: pmz agent deploy",
  }]]);
  at.installer.versions = { tunnel: { newest: 2, oldest: 1 } };
  assert.deepEqual((await at.daemon.plan(at.up)).warnings, []);
  at.installer.states.gateway = "absent";
  at.installer.versions = { tunnel: { newest: 1, oldest: 1 } };
  assert.deepEqual((await at.daemon.plan(at.up)).warnings, []);
});
