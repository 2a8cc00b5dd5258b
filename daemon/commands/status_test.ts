import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { fakeDaemon, recorder } from "../testing/daemon.ts";
import { forever } from "../testing/fails.ts";

Deno.test("a look says why a tunnel isn't up, with what to do, where a status has the tunnel's own words", async () => {
  await using at = await fakeDaemon();
  await at.daemon.up(at.up, recorder(), forever);
  const tunnel = async (ask: "status" | "look") => (await at.daemon[ask]()).clusters[0]?.tunnel;
  assert.equal((await tunnel("look"))?.state, "connected");
  at.cluster.delete("/api/v1", "pods", "gateway-1", "pmz");
  await at.gateway[Symbol.asyncDispose]();
  await until("it is down", async () => (await tunnel("status"))?.state === "connecting");
  const looked = await tunnel("look");
  assert.ok(looked?.state === "connecting");
  assert.match(looked.why, /no pod of the gateway is ready/);
  assert.match(looked.remedy ?? "", /pmz agent status/);
  const status = await tunnel("status");
  assert.ok(status?.state === "connecting" && status.remedy === undefined);
});
