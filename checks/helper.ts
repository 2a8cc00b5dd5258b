import { type Check, ok, warning } from "./check.ts";
import type { CheckParts } from "./parts.ts";

const WITHOUT = "Run pmz up as root, or without it: pmz up --proxy";
const S_ISUID = 0o4000;

/** Whether the root helper runs, or could be started. */
export const helper: Check<
  Pick<CheckParts, "daemon" | "sudo"> & { readonly machine: Pick<CheckParts["machine"], "isRoot" | "paths"> }
> = {
  id: "helper",
  title: "Root helper",
  severity: "warning",
  needs: [],
  remedy: WITHOUT,
  limitMs: 10_000,
  run: async ({ daemon, sudo, machine }) => {
    const view = await daemon();
    if (view.state === "running" && view.status.helper.state === "connected") return [ok("It runs.")];
    if (machine.isRoot) return [ok("It does not run; you are root, so `pmz up` can start it.")];
    if (await gainsNoRights(machine.paths.status)) {
      return [
        warning(
          "sudo can't work in this shell: it runs with no_new_privs.",
          "Use a terminal outside of the sandbox or container that this one is in, or: pmz up --proxy",
        ),
      ];
    }
    const path = await sudo();
    if (path === undefined) return [warning("sudo is not on PATH: the helper can't be started.", WITHOUT)];
    const { uid, mode } = await Deno.stat(path);
    if (uid !== 0 || ((mode ?? 0) & S_ISUID) === 0) {
      return [warning(`${path} is not root's with the setuid bit: it can't start the helper.`, WITHOUT)];
    }
    return [ok(`It does not run; \`pmz up\` starts it with ${path}.`)];
  },
};

/** Whether no program that this process starts can become another user (`man 2 prctl`, PR_SET_NO_NEW_PRIVS). */
async function gainsNoRights(status: string): Promise<boolean> {
  return /^NoNewPrivs:\s*1$/m.test(await Deno.readTextFile(status).catch(() => ""));
}
