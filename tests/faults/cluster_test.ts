// deno-lint-ignore-file no-console -- how long things took
import assert from "node:assert/strict";
import type { Status } from "../../wire/control.ts";
import type { Pmz } from "../e2e/lib/pmz.ts";
import { Stage } from "../e2e/lib/stage.ts";

/** How long connections are without a way, in milliseconds, until a new one is answered. */
async function away(person: Pmz, within: number): Promise<number> {
  const begun = performance.now();
  for (;;) {
    const { code, stdout, stderr } = await person.laptop.run("alice", [
      "curl",
      "-sS",
      "-m15",
      "http://echo.default.svc/",
    ]);
    const took = performance.now() - begun;
    if (code === 0 && /"pod":"echo-/.test(stdout)) return took;
    console.log(`${Math.round(took)} ms later: ${stderr.trim()}`);
    if (took > within) {
      const log = await person.shell("tail -n 40 ~/.local/state/pmz/daemon.log");
      throw new Error(`no pod answers, ${Math.round(took)} ms later: ${stderr}\nthe daemon's log:\n${log}`);
    }
  }
}

async function connected(person: Pmz): Promise<void> {
  const { clusters } = await person.json<Status>(["status"]);
  assert.equal(clusters[0]?.tunnel.state, "connected");
}

Deno.test("after a restart of the API server connections are made again, without another `pmz up`", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  await stage.world.restart("apiserver");
  await stage.world.serverReady();
  console.log(`answered ${Math.round(await away(alice, 30_000))} ms after the API server was ready`);
  await connected(alice);
});

Deno.test("after its gateway's pod is deleted connections are made through the next one", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  const names = () => world.kubectl(["get", "pods", "-n", "pmz", "-o", "jsonpath={.items[*].metadata.name}"]);
  const [first] = (await names()).split(" ");
  assert.ok(first);
  await world.kubectl(["delete", "pod", "-n", "pmz", first, "--grace-period=1", "--wait=false"]);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  console.log(`answered ${Math.round(await away(alice, 30_000))} ms after its grace period`);
  await connected(alice);
  const { clusters } = await alice.json<Status>(["status"]);
  const tunnel = clusters[0]?.tunnel;
  assert.notEqual(tunnel?.state === "connected" && tunnel.pod, first);
});

Deno.test("after the laptop's cable was out for a while connections are made again, without another `pmz up`", async () => {
  await using stage = await Stage.set();
  const { laptop } = stage.world;
  const alice = await stage.up();
  await laptop.cut();
  try {
    const { code } = await laptop.run("alice", ["curl", "-s", "-m2", "http://echo.default.svc/"]);
    assert.notEqual(code, 0);
    await new Promise((resolve) => setTimeout(resolve, 20_000));
    assert.equal((await alice.run(["status"])).code, 0);
  } finally {
    await laptop.restore();
  }
  console.log(`answered ${Math.round(await away(alice, 30_000))} ms after it was plugged in again`);
  await connected(alice);
});

Deno.test("a new Service has its name within seconds, and a deleted one loses it", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  const ask = async () =>
    (await world.laptop.run("alice", ["curl", "-s", "-m1", "-o/dev/null", "http://later/"])).code;
  assert.equal(await ask(), 6);
  await world.apply({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "later", namespace: "default" },
    spec: { selector: { app: "echo" }, ports: [{ port: 80, targetPort: 8080 }] },
  });
  try {
    const begun = performance.now();
    for (let code; (code = await ask()) !== 0;) {
      console.log(`curl ended with ${code} after ${Math.round(performance.now() - begun)} ms`);
      assert.ok(performance.now() - begun < 5_000, "no answer");
    }
    console.log(`answered ${Math.round(performance.now() - begun)} ms after it was made`);
  } finally {
    await world.kubectl(["delete", "service", "later"]);
  }
  const begun = performance.now();
  while (await ask() !== 6) assert.ok(performance.now() - begun < 5_000, "still there");
  await connected(alice);
});
