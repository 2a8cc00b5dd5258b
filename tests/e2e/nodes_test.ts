/** Nodes of which pmz can have nothing: named, and never waited for. */
import assert from "node:assert/strict";
import { Stage } from "./lib/stage.ts";
import { answer } from "./lib/answerer.ts";
import type { World } from "./lib/world.ts";

const minute = { timeout: 60_000 };

/** A node without a machine, as the API server has it before its kubelet reports, or after that has gone. */
async function nodeWithoutMachine(
  world: World,
  name: string,
  labels: Record<string, string>,
): Promise<AsyncDisposable> {
  const machine = {
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": Deno.build.arch === "aarch64" ? "arm64" : "amd64",
  };
  await world.apply({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { ...machine, ...labels } },
  });
  return {
    [Symbol.asyncDispose]: async () => {
      await world.kubectl(["delete", "node", name, "--ignore-not-found"]);
      await world.kubectl([
        "delete",
        "pods",
        "-n",
        "pmz-node",
        `--field-selector=spec.nodeName=${name}`,
        "--force",
      ]);
    },
  };
}

Deno.test("a node that isn't ready holds up no first intercept, and is named", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await alice.done(["agent", "delete", "--yes"], minute);
  await using _node = await nodeWithoutMachine(world, "ghost-1", {});
  await using _fargate = await nodeWithoutMachine(world, "fargate-1", {
    "eks.amazonaws.com/compute-type": "fargate",
  });
  await using _program = await answer(world.laptop, "alice", { as: "on-the-laptop", http: 8081, tcp: 9100 });
  // To wait for the node would take ten minutes.
  const { stderr } = await alice.done(["intercept", "echo", "8081", "--yes"], { timeout: 120_000 });
  assert.match(stderr, /the node agent is ready on 2 of 3 nodes: .*node ghost-1 isn't ready/);
  assert.doesNotMatch(stderr, /fargate-1/, "a virtual node is left out");
  await alice.done(["leave", "--all"]);
});
