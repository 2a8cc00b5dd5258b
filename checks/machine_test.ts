import { cgroup } from "./cgroup.ts";
import { machinePaths } from "./parts.ts";
import { programs } from "./programs.ts";
import { tun } from "./tun.ts";
import { findProgram } from "../helper/programs.ts";
import { findRootCgroup } from "../helper/cgroup.ts";
import { assertFinding, assertSound, findingsOf } from "./testing/findings.ts";
import { Folder } from "./testing/folder.ts";

const V1 = "28 25 0:24 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
const V2 = "29 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

Deno.test("cgroup v2 is found where it's mounted, next to v1 too", async () => {
  const at = (mountinfo: string) =>
    findingsOf(cgroup, { machine: { findRootCgroup: () => findRootCgroup(mountinfo) } });
  assertFinding(await at(V1 + V2), "ok", /\/sys\/fs\/cgroup\/unified/);
  assertFinding(await at(V1), "failed", /not mounted/, /mount -t cgroup2/);
});

Deno.test("the system's programs are found in root's folders, and each that is missing is named", async () => {
  assertSound(await findingsOf(programs, { machine: { findProgram: (name) => findProgram(name) } }));
  using folder = new Folder();
  for (const name of ["sh", "ip"]) Deno.symlinkSync(findProgram("sh") ?? "/bin/sh", `${folder.path}/${name}`);
  const findings = await findingsOf(programs, {
    machine: { findProgram: (name) => findProgram(name, [folder.path]) },
  });
  assertFinding(findings, "failed", /: ss\./, /iproute2/);
});

/** A machine with these lines in /proc/misc, and these modules of the kernel 6.1. */
async function tunOf(misc: string, modules: string, node = "/dev/null") {
  using folder = new Folder();
  folder.write("modules/6.1/modules.dep", modules);
  const paths = {
    ...machinePaths,
    misc: folder.write("misc", misc),
    modules: `${folder.path}/modules`,
    tun: node,
  };
  return await findingsOf(tun, { machine: { kernel: "6.1", paths } });
}

Deno.test("a TUN driver is in the kernel, or a module that it can load", async () => {
  assertFinding(await tunOf("236 device-mapper\n200 tun\n", ""), "ok", /is loaded\./);
  assertFinding(await tunOf("", "kernel/drivers/net/tun.ko.zst:\n"), "ok", /when it is needed/);
});

Deno.test("without a TUN driver the remedy is to load it, or to restart after an update of the kernel", async () => {
  assertFinding(await tunOf("236 device-mapper\n", ""), "failed", /no driver/, /modprobe tun.*restart/);
  assertFinding(await tunOf("201 tunnel\n", "kernel/net/xtun.ko:\n"), "failed", /no driver/);
});

Deno.test("a driver without its device file is a failure, and so is a plain file in its place", async () => {
  assertFinding(await tunOf("200 tun\n", "", "/nonexistent"), "failed", /missing/, /mknod/);
  assertFinding(await tunOf("200 tun\n", "", "/etc/passwd"), "failed", /missing/, /--device/);
});
