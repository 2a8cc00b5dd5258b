import assert from "node:assert/strict";
import { hasEnded, nameOfStat, podOfCgroup, startOfStat } from "./pod_cgroup.ts";

const uid = "8a4e5a5d-7a53-4a3a-9a55-1f0d3c1b2a39";
const other = "11111111-2222-3333-4444-555555555555";
const underscored = uid.replaceAll("-", "_");

Deno.test("a pod's UID is found whichever driver named its group", () => {
  for (
    const path of [
      `/kubepods/besteffort/pod${uid}/0123abcd`,
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${underscored}.slice/cri-containerd-01.scope`,
      `/kubepods.slice/kubepods-pod${underscored}.slice/crio-01.scope`,
      `/../../kubepods-besteffort-pod${underscored}.slice/cri-containerd-01.scope`,
      `/../../pod${uid}/01`,
      `/kubelet/kubepods/pod${uid}`,
    ]
  ) {
    assert.equal(podOfCgroup(`0::${path}\n`), uid, path);
    assert.equal(podOfCgroup(`12:cpuset:/\n11:memory,name=x:${path}\n`), uid, path);
  }
});

Deno.test("what a pod makes below its own group isn't taken for another pod", () => {
  assert.equal(podOfCgroup(`0::/kubepods/besteffort/pod${uid}/01/kubepods/pod${other}/02`), uid);
});

Deno.test("a process of the host is in no pod", () => {
  for (
    const path of [
      "/",
      "/system.slice/kubelet.service",
      `/user.slice/tripod${uid}`,
      `/pod${uid}x/y`,
      "/pod123",
    ]
  ) assert.equal(podOfCgroup(`0::${path}\n`), undefined, path);
});

Deno.test("a process's name can't hide when it started", () => {
  const rest = Array.from({ length: 50 }, (_, i) => String(i + 3)).join(" ");
  assert.equal(startOfStat(`7 (a) R 1 (b) 2) ${rest}\n`), 22n);
  assert.equal(nameOfStat(`7 (a) R 1 (b) 2) ${rest}\n`), "a) R 1 (b) 2");
  assert.throws(() => startOfStat("nonsense"), TypeError);
  assert.equal(startOfStat(Deno.readTextFileSync("/proc/self/stat")) > 0n, true);
});

Deno.test("a process has ended when it's dead, or a zombie without threads that go on", () => {
  const stat = (state: string, threads: number) =>
    `7 (a) Z 1 (b) 2) ${[state, ...Array(16).fill("0"), threads, "0", "22"].join(" ")} 0\n`;
  for (const state of ["R", "S", "D", "T"]) assert.equal(hasEnded(stat(state, 1)), false, state);
  for (const threads of [0, 1]) assert.equal(hasEnded(stat("Z", threads)), true);
  assert.equal(hasEnded(stat("Z", 2)), false);
  assert.equal(hasEnded(stat("X", 0)), true);
  assert.equal(hasEnded(Deno.readTextFileSync("/proc/self/stat")), false);
});
