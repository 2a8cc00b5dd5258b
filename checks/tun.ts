import { type Check, failed, ok } from "./check.ts";
import type { CheckParts } from "./parts.ts";

const MODULE_REMEDY = "Load it: sudo modprobe tun. When modprobe finds no such module, the kernel was " +
  "updated since the machine started: restart it. `pmz up --proxy` works without it.";
const NODE_REMEDY = "Make it: sudo mkdir -p /dev/net; sudo mknod /dev/net/tun c 10 200. " +
  "In a container, start that with --device /dev/net/tun. `pmz up --proxy` works without it.";

/** Whether a TUN device can be made: captured addresses are routed to one. */
export const tun: Check<{ readonly machine: Pick<CheckParts["machine"], "kernel" | "paths"> }> = {
  id: "tun",
  title: "TUN device",
  severity: "failed",
  needs: ["platform"],
  remedy: MODULE_REMEDY,
  run: async ({ machine: { kernel, paths } }) => {
    const driver = await driverOf(paths.misc, `${paths.modules}/${kernel}`);
    if (!driver) return [failed(`Linux ${kernel} has no driver for TUN devices.`, MODULE_REMEDY)];
    const node = await Deno.stat(paths.tun).catch(() => undefined);
    if (!node?.isCharDevice) return [failed(`${paths.tun} is missing.`, NODE_REMEDY)];
    return [ok(`${paths.tun} is there, and its driver ${driver}.`)];
  },
};

/** Whether the driver is in the kernel now, or a module that the kernel loads when the device is opened. */
async function driverOf(misc: string, modules: string): Promise<string | undefined> {
  const drivers = await Deno.readTextFile(misc).catch(() => "");
  if (/^\s*\d+ tun$/m.test(drivers)) return "is loaded";
  const known = await Deno.readTextFile(`${modules}/modules.dep`).catch(() => "");
  // "kernel/drivers/net/tun.ko.xz: ..."
  return /^\S*\/tun\.ko[^:]*:/m.test(known) ? "is loaded when it is needed" : undefined;
}
