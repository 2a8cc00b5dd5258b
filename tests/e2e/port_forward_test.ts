/** The rows of docs/port-forward.md that are checked: what the cluster's own parts do, without pmz. */
import assert from "node:assert/strict";
import { output } from "./lib/command.ts";
import { cluster } from "./lib/laptop.ts";
import { World } from "./lib/world.ts";
import type { Seen } from "./port_forward/probe.ts";

const POD = "port-forward";
const [OWN_ADDRESS, NOTHING, SERVED] = [7002, 7999, 7003];
const probe = new URL("./port_forward/probe.ts", import.meta.url).pathname;

/** Servers: one on the pod's address alone, one that answers wherever it is asked. */
const servers = [
  `socat TCP-LISTEN:${OWN_ADDRESS},fork,reuseaddr,bind=$POD_IP SYSTEM:'echo here'`,
  `socat TCP-LISTEN:${SERVED},fork,reuseaddr SYSTEM:'echo here; sleep 60'`,
];

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: POD, namespace: "default" },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{
      name: "servers",
      image: "pmz.test/base:1",
      command: ["bash", "-c", `${servers.join(" & ")} & wait`],
      env: [{ name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
    }],
  },
};

/** What came by each protocol, of each port. */
async function probed(world: World): Promise<Record<string, Record<string, Seen>>> {
  const ports = [OWN_ADDRESS, NOTHING, SERVED].map(String);
  // Where the project is under /tmp the laptop has none of its files.
  const bundle = [Deno.execPath(), "bundle", "--quiet", "--platform", "deno", probe];
  const stdin = await output(bundle, { timeout: 60_000 });
  const command = [Deno.execPath(), "run", "-A", "--no-lock", "--no-config", "--quiet", "-", POD, ...ports];
  return JSON.parse(
    await output([cluster, "--name", world.name, "dev", ...command], { stdin, timeout: 60_000 }),
  );
}

Deno.test("port-forwards behave as docs/port-forward.md says", async (t) => {
  await using world = await World.up({ nodes: 2 });
  await using created = new AsyncDisposableStack();
  created.defer(async () => void await world.kubectl(["delete", "pod", POD, "--ignore-not-found"]));
  await world.apply(pod);
  await world.kubectl(["wait", "--for=condition=Ready", `pod/${POD}`, "--timeout=90s"]);
  const listening = ["bash", "-c", `until [ "$(ss -Hltn | grep -c ':700[23] ')" = 2 ]; do sleep 0.1; done`];
  await world.inPod(POD, listening);
  const seen = await probed(world);
  for (const [protocol, ports] of Object.entries(seen)) {
    const of = (port: number) => ports[port] ?? assert.fail(`nothing about port ${port}`);
    await t.step(`${protocol}: a server is reached, and stays so`, () => {
      assert.deepEqual([of(SERVED).text, of(SERVED).end], ["here\n", "silence"]);
    });
    await t.step(`${protocol}: the text of a port where nothing listens names the refused dial`, () => {
      assert.match(of(NOTHING).end, /error forwarding port 7999 to pod .*connection refused/s);
      assert.equal(of(NOTHING).text, "");
    });
    await t.step(`${protocol}: a server on the pod's own address alone is refused`, () => {
      assert.match(of(OWN_ADDRESS).end, /error forwarding port 7002 to pod .*connection refused/s);
    });
  }
});
