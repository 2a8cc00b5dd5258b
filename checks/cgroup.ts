import { type Check, failed, ok } from "./check.ts";
import type { CheckParts } from "./parts.ts";

const REMEDY = "Mount it, as root: mkdir -p /sys/fs/cgroup/unified; " +
  "mount -t cgroup2 none /sys/fs/cgroup/unified. `pmz up --proxy` works without it.";

/** Whether cgroup v2 is mounted: the helper attaches its hooks to the root of it. */
export const cgroup: Check<{ readonly machine: Pick<CheckParts["machine"], "findRootCgroup"> }> = {
  id: "cgroup",
  title: "Control groups",
  severity: "failed",
  needs: ["platform"],
  remedy: REMEDY,
  run: ({ machine }) => {
    const root = machine.findRootCgroup();
    return Promise.resolve([
      root === undefined
        ? failed("cgroup v2 is not mounted.", REMEDY)
        : ok(`cgroup v2 is mounted at ${root}.`),
    ]);
  },
};
