import assert from "node:assert/strict";
import { dialShort } from "./lib/dial.ts";
import { Stage } from "./lib/stage.ts";
import type { World } from "./lib/world.ts";

/** Twice as many as make a target busy: agent/gateway/dial.ts. */
const MANY = 10_000;

/** The gateway's ends of connections that it has closed to a port of pods and Services within the last minute. */
async function closedPorts(world: World, port: number): Promise<number[]> {
  const script = `
    for pid in $(pgrep -f 'payload gateway$'); do nsenter -t $pid -n ss -Htan state time-wait; done |
      awk '$4 ~ /:${port}$/ { sub(/.*:/, "", $3); print $3 }'`;
  const nodes = await Promise.all([1, 2].map((node) => world.onNode(node, ["bash", "-c", script])));
  return nodes.flatMap(({ stdout }) => stdout.split("\n").filter(Boolean).map(Number));
}

Deno.test("thousands of short connections a minute to one Service all work, from ports that the gateway chooses", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const to = { host: "echo.default.svc", port: 9000 };
  assert.deepEqual(await dialShort(alice, to, MANY), []);
  const chosen = (await closedPorts(stage.world, to.port)).filter((port) => port >= 10_000 && port < 30_000);
  assert.ok(chosen.length > 1_000, `${chosen.length} of the gateway's own`);
});
