import { pollUntil } from "../../async/poll_until.ts";
import { controlFiles } from "../../wire/control.ts";
import { Failure } from "../failure.ts";

/** The daemon has this long to answer, in milliseconds. */
const START_TIMEOUT_MS = 15_000;
const LOOK_EVERY_MS = 15;

/**
 * Starts the daemon in the background, in a session of its own, and waits until its control socket answers. One that
 * runs already is fine.
 * @throws {Failure} when it ends, or doesn't answer in time.
 */
export async function spawnDaemon(command: readonly string[], stateFolder: string): Promise<void> {
  const socket = `${stateFolder}/${controlFiles.socket}`;
  let daemon = start(command);
  const outcome = await pollUntil(async () => {
    if (await answers(socket)) return "answers";
    // It left it to another one, which has ended since.
    if (daemon.code === 0) daemon = start(command);
    return daemon.code !== undefined && "failed";
  }, { everyMs: LOOK_EVERY_MS, timeoutMs: START_TIMEOUT_MS });
  if (outcome === "answers") return;
  const what = outcome === "failed" ? `ended at once (exit code ${daemon.code})` : "doesn't answer";
  const log = `${stateFolder}/${controlFiles.log}`;
  throw new Failure("internal", `pmz's daemon ${what}`, { hint: `its log: ${log}` });
}

/** Starts it; `code` is there when it has ended. */
function start([program = "", ...args]: readonly string[]): { readonly code?: number } {
  const child = new Deno.Command(program, {
    args,
    cwd: "/",
    // Each command hands over that of its own shell: where that has none, ~/.kube/config is meant.
    env: { KUBECONFIG: "" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  child.unref();
  const ended: { code?: number } = {};
  void child.status.then(({ code }) => ended.code = code);
  return ended;
}

/** Whether a daemon listens there. */
export async function answers(path: string): Promise<boolean> {
  try {
    using _conn = await Deno.connect({ transport: "unix", path });
    return true;
  } catch (error) {
    return error instanceof Deno.errors.WouldBlock; // more are waiting than the kernel queues: it is busy, not gone
  }
}
