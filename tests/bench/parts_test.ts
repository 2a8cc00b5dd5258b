import assert from "node:assert/strict";
import { clusterParts } from "./parts.ts";
import type { Process } from "./processes.ts";

const node = "/ci/pmz-world-495c62aa-one-node-1";
const laptop = "/ci/pmz-world-495c62aa-dev-1";

function process(cgroup: string, uid: number, ...command: string[]): Process {
  return { pid: 1, cgroup, uid, command };
}

Deno.test("the processes that carry a connection of pmz are told apart", () => {
  const part = clusterParts("one", { uid: 1001, gateway: "12-34" }, "/var/lib/pmz-world");
  for (
    const [expected, found] of [
      ["daemon", process(laptop, 1001, "/usr/local/bin/pmz", "run")],
      ["helper", process(laptop, 0, "/var/cache/pmz/0123/deno", "run")],
      [undefined, process(laptop, 1000, "pmz", "run")],
      [undefined, process(laptop, 1001, "wrk", "-t1")],
      ["gateway", process(`${node}/kubepods/burstable/pod12-34/abc`, 65532, "deno", "run")],
      [undefined, process(`${node}/kubepods/burstable/pod56-78/abc`, 0, "deno", "run")],
      ["apiserver", process(node, 0, "kube", "kube-apiserver", "--etcd-servers")],
      ["kubelet", process(node, 0, "kube", "kubelet")],
      [undefined, process(node, 0, "kube", "etcd")],
      ["containerd", process(node, 0, "containerd")],
    ] as const
  ) assert.equal(part(found), expected, found.command.join(" "));
});

Deno.test("a person's daemon on the other laptop is another one", () => {
  const part = clusterParts("one", { uid: 1001, laptop: 2 }, "/var/lib/pmz-world");
  assert.equal(part(process("/ci/pmz-world-495c62aa-dev-2", 1001, "pmz", "run")), "daemon");
  assert.equal(part(process(laptop, 1001, "pmz", "run")), undefined);
});

Deno.test("the way in is the node agents', and no gateway's", () => {
  const part = clusterParts("one", { uid: 1001, nodeAgents: ["12-34", "56-78"] }, "/var/lib/pmz-world");
  for (
    const [expected, cgroup] of [
      ["node agent", "pod12-34"],
      ["node agent", "pod56-78"],
      [undefined, "podundefined"],
      [undefined, "pod90-12"],
    ] as const
  ) {
    assert.equal(
      part(process(`${node}/kubepods/burstable/${cgroup}/abc`, 1993, "deno", "run")),
      expected,
      cgroup,
    );
  }
});

Deno.test("another world's processes, and another cluster's, are none of a measurement", () => {
  const part = clusterParts("one", { uid: 1001, gateway: "12-34" }, "/var/lib/pmz-world");
  assert.equal(part(process("/ci/pmz-worlds-dev-1", 1001, "pmz")), undefined);
  assert.equal(part(process("/ci/pmz-world-495c62aa-two-node-1", 0, "containerd")), undefined);
  assert.equal(part(process("/ci/pmz-world-495c62aa-dev-2", 1001, "pmz")), undefined);
});

Deno.test("without pmz it's kubectl's connection", () => {
  const part = clusterParts("one", undefined, "/var/lib/pmz-world");
  assert.equal(part(process(laptop, 1000, "kubectl", "port-forward")), "kubectl");
  assert.equal(part(process(laptop, 1000, "pmz", "run")), undefined);
  assert.equal(part(process(node, 0, "kube", "kubelet")), "kubelet");
});
