import { controlFiles } from "../wire/control.ts";
import { Failure } from "./failure.ts";

/** The daemon has this long to answer, in milliseconds. */
const START_TIMEOUT_MS = 15_000;
const LOOK_EVERY_MS = 15;

/**
 * Starts the daemon in the background, in a session of its own, and waits until its control socket answers. One that
 * runs already is fine.
 * @throws {Failure} when it ends, or doesn't answer in time.
 */
export async function spawnDaemon(command: readonly string[], stateFolder: string): Promise<void> {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, {
    args,
    cwd: "/",
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  child.unref();
  const ended: { code?: number } = {};
  void child.status.then(({ code }) => ended.code = code);
  const end = performance.now() + START_TIMEOUT_MS;
  while (!await answers(`${stateFolder}/${controlFiles.socket}`)) {
    const failed = ended.code !== undefined && ended.code !== 0;
    if (failed || performance.now() > end) {
      const log = `${stateFolder}/${controlFiles.log}`;
      const what = failed ? `ended at once (exit code ${ended.code})` : "doesn't answer";
      throw new Failure("internal", `pmz's daemon ${what}`, { hint: `its log: ${log}` });
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Whether a daemon listens there. */
export async function answers(path: string): Promise<boolean> {
  try {
    using _conn = await Deno.connect({ transport: "unix", path });
    return true;
  } catch {
    return false;
  }
}
