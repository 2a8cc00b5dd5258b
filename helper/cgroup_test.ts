import assert from "node:assert/strict";
import { NoCgroup, rootCgroup } from "./cgroup.ts";

const line = (place: string, kind: string) =>
  `30 23 0:26 / ${place} rw,nosuid shared:9 - ${kind} ${kind} rw\n`;

const all = () => true;

Deno.test("the root of cgroup v2 is where this machine has it", () => {
  const v1 = line("/sys/fs/cgroup/cpu", "cgroup");
  assert.equal(rootCgroup(line("/sys/fs/cgroup", "cgroup2") + v1, all), "/sys/fs/cgroup");
  assert.equal(rootCgroup(v1 + line("/sys/fs/cgroup/unified", "cgroup2"), all), "/sys/fs/cgroup/unified");
  assert.equal(rootCgroup(line("/some\\040where", "cgroup2"), all), "/some where");
  assert.equal(
    rootCgroup(line("/mnt/other", "cgroup2") + line("/sys/fs/cgroup", "cgroup2"), all),
    "/sys/fs/cgroup",
  );
  assert.throws(() => rootCgroup(v1, all), NoCgroup);
});

Deno.test("a mount that another one hides isn't taken for the root of cgroup v2", () => {
  const v2 = line("/sys/fs/cgroup", "cgroup2");
  const shows = (...places: string[]) => (place: string) => places.includes(place);
  assert.throws(() => rootCgroup(v2 + line("/sys/fs/cgroup", "tmpfs"), shows()), NoCgroup);
  const both = v2 + line("/sys/fs/cgroup", "tmpfs") + line("/sys/fs/cgroup/unified", "cgroup2");
  assert.equal(rootCgroup(both, shows("/sys/fs/cgroup/unified")), "/sys/fs/cgroup/unified");
});

Deno.test(
  { name: "on this machine a hidden mount isn't found (needs root)", ignore: Deno.uid() !== 0 },
  async () => {
    const find =
      `import { findRootCgroup } from ${JSON.stringify(new URL("cgroup.ts", import.meta.url).href)};` +
      "console.log(findRootCgroup());";
    const hide =
      "mkdir -p /tmp/hidden && mount -t cgroup2 none /tmp/hidden && [ -e /tmp/hidden/cgroup.controllers ] && " +
      "for place in $(awk '$0 ~ / - cgroup2 / { print $5 }' /proc/self/mountinfo); do mount -t tmpfs none $place; done && " +
      'exec "$@"';
    const { stdout, stderr } = await new Deno.Command("unshare", {
      args: ["-m", "--propagation", "private", "sh", "-c", hide, "sh", Deno.execPath(), "eval", find],
    }).output();
    assert.equal(new TextDecoder().decode(stdout).trim(), "undefined", new TextDecoder().decode(stderr));
  },
);
