import assert from "node:assert/strict";
import type { World } from "../e2e/lib/world.ts";

/** Sends a signal to a container's first process, in every pod of the node agent, as nothing in the pod could. */
export async function signalContainers(
  world: World,
  container: "attach" | "relay",
  name: "KILL" | "STOP" | "CONT",
): Promise<void> {
  const ids = (await world.kubectl([
    "get",
    "pods",
    "-n",
    "pmz-node",
    "-o",
    `jsonpath={range .items[*].status.containerStatuses[?(@.name=="${container}")]}{.containerID}{"\\n"}{end}`,
  ])).trim().split("\n").map((id) => id.replace(/^.*:\/\//, ""));
  assert.equal(ids.length, 2, "one on each node");
  const script = ids.map((id) =>
    `kill -${name} $(grep -l ${id} /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3)`
  );
  const ended = await Promise.all(
    [1, 2].map((node) => world.onNode(node, ["bash", "-c", script.join(" 2>/dev/null\n")])),
  );
  assert.equal(ended.length, 2);
}
