// deno-lint-ignore-file no-console -- what a person sees
import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { Stage } from "./lib/stage.ts";

/** Longer than a helper waits for its daemon. */
const PENDING_MS = 25_000;
const minute = { timeout: 60_000 };

/** Has no node take a pod until it's disposed of. */
async function cordoned({ world }: Stage): Promise<AsyncDisposable> {
  const nodes = (await world.kubectl(["get", "nodes", "-o", "name"])).trim().split("\n");
  await world.kubectl(["cordon", ...nodes]);
  return { [Symbol.asyncDispose]: async () => void await world.kubectl(["uncordon", ...nodes]) };
}

async function withoutAgent({ alice }: Stage): Promise<void> {
  await alice.done(["agent", "delete", "--yes"], minute);
}

Deno.test("a gateway that is pending for 25 s is waited for, with the reason, and then pmz is up", async () => {
  await using stage = await Stage.set();
  await withoutAgent(stage);
  await using nodes = await cordoned(stage);
  await using up = stage.world.laptop.spawn("bob", ["pmz", "up", "--yes"]);
  await up.says(/Install the gateway.*: pod gateway-\S+ can't be scheduled: .*unschedulable/, 20_000);
  const { code, stderr } = await stage.bob.run(["explain", "echo.default.svc"]);
  assert.equal(code, 1);
  assert.match(stderr, /pmz up is still under way: Install the gateway: pod gateway-\S+ can't be scheduled/);
  await new Promise((resolve) => setTimeout(resolve, PENDING_MS));
  await nodes[Symbol.asyncDispose]();
  assert.equal((await up.status()).code, 0, up.said);
  console.log(up.said);
  const waits = up.said.split("\n").filter((line) => line.includes("can't be scheduled"));
  assert.equal(new Set(waits).size, waits.length, "a reason that stays is said once");
  assert.ok(waits.length <= 3, up.said);
  const { stdout } = await stage.bob.done(["status"]);
  assert.match(stdout, /helper +connected/);
  assert.match(await stage.bob.shell("curl -sS -m5 http://echo.default.svc/"), /echo-/);
});

Deno.test("on a terminal the wait is one line that changes, and Ctrl-C in it leaves nothing on the laptop", async () => {
  await using stage = await Stage.set();
  await withoutAgent(stage);
  await using _nodes = await cordoned(stage);
  const before = await stage.world.laptop.snapshot();
  await using up = stage.world.laptop.terminal("bob", ["pmz", "up", "--yes"]);
  await up.says(/Install the gateway 1\d\.\d s {2}pod gateway-\S+ can't be/, 40_000);
  await up.write("\x03");
  assert.equal((await up.status()).code, 130, up.said);
  assert.equal(up.said.split("\n").filter((line) => line.includes("can't be scheduled")).length, 1);
  assert.match(up.said, /what is installed in \S+ stays.*pmz agent delete/);
  await stage.world.laptop.settles(before, 5_000);
  await until("the daemon is gone", async () => (await stage.bob.run(["status"])).code === 3);
});
