import { jsonLog } from "./log.ts";
import type { Files } from "../wire/payload.ts";

/** The roles of a payload's code, by the names that the loader in the pod spec uses. */
export type Roles = Readonly<Record<string, (files: Files) => Promise<void>>>;

/**
 * Makes the function that the loader calls. It runs a role and then ends the process. A failure is one line with the
 * reason, which `kubectl logs` and pmz show.
 */
export function starter(roles: Roles): (role: string, files: Files) => Promise<void> {
  return async (role, files) => {
    try {
      const run = Object.hasOwn(roles, role) ? roles[role] : undefined;
      if (!run) {
        throw new TypeError(`this payload has no role "${role}", only ${Object.keys(roles).join(", ")}`);
      }
      await run(files);
    } catch (error) {
      const encoder = new TextEncoder();
      const log = jsonLog((line) => Deno.stderr.writeSync(encoder.encode(line + "\n")), role);
      log("error", "failed", { error });
      Deno.exit(1);
    }
    Deno.exit(0);
  };
}
