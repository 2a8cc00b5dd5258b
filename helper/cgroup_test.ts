import assert from "node:assert/strict";
import { NoCgroup, rootCgroup } from "./cgroup.ts";

const line = (place: string, kind: string) =>
  `30 23 0:26 / ${place} rw,nosuid shared:9 - ${kind} ${kind} rw\n`;

Deno.test("the root of cgroup v2 is where this machine has it", () => {
  const v1 = line("/sys/fs/cgroup/cpu", "cgroup");
  assert.equal(rootCgroup(line("/sys/fs/cgroup", "cgroup2") + v1), "/sys/fs/cgroup");
  assert.equal(rootCgroup(v1 + line("/sys/fs/cgroup/unified", "cgroup2")), "/sys/fs/cgroup/unified");
  assert.equal(rootCgroup(line("/some\\040where", "cgroup2")), "/some where");
  assert.equal(
    rootCgroup(line("/mnt/other", "cgroup2") + line("/sys/fs/cgroup", "cgroup2")),
    "/sys/fs/cgroup",
  );
  assert.throws(() => rootCgroup(v1), NoCgroup);
});
