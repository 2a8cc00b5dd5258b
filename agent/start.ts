import type { Files } from "../wire/payload.ts";

/** What a payload's code can be, by name: the roles that the loader in the pod spec asks for. */
export type Roles = Readonly<Record<string, (files: Files) => Promise<void>>>;

/**
 * The `start` that the loader calls: runs a role until it ends, and ends the process. A failure is one line that says
 * why, for `kubectl logs` and for pmz to show.
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
      const message = error instanceof Error ? error.message : String(error);
      const line = JSON.stringify({
        time: new Date().toISOString(),
        level: "error",
        component: role,
        message,
      });
      Deno.stderr.writeSync(new TextEncoder().encode(line + "\n"));
      Deno.exit(1);
    }
    Deno.exit(0);
  };
}
