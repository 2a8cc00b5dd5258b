import { pollUntil } from "../async/poll_until.ts";
import { controlFiles } from "../wire/control.ts";
import { helperSocket } from "../wire/helper.ts";
import { serveControl } from "./control/server.ts";
import { Daemon } from "./daemon.ts";
import type { DaemonParts } from "./parts.ts";
import { fileLog } from "./process/log.ts";
import { answers } from "./process/spawn.ts";
import { openStateFolder } from "./process/state_folder.ts";

/** Undoing everything may take so long at a signal, in milliseconds: then the rest is the kernel's and the agents' to undo. */
const END_TIMEOUT_MS = 10_000;

/** Between looks at a lock that somebody has, in milliseconds. */
const LOOK_EVERY_MS = 20;

/** What the daemon's process is made of. */
export type ProcessParts = Pick<DaemonParts, "installer" | "startWorker"> & { readonly stateFolder: string };

/**
 * The daemon as a process: one for each user, by a lock that the kernel lets go of with the process. Settles when it
 * was asked to end, with everything undone; or at once, when another one has the lock and answers.
 */
export async function runDaemon(parts: ProcessParts): Promise<void> {
  Deno.umask(0o077);
  const folder = await openStateFolder(parts.stateFolder);
  const socket = `${folder}/${controlFiles.socket}`;
  using lock = await Deno.open(`${folder}/${controlFiles.lock}`, { write: true, create: true, mode: 0o600 });
  if (!await takeLock(lock, socket)) return;
  using log = fileLog(`${folder}/${controlFiles.log}`);
  const ending = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => ending.resolve(signal));
  }
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault(); // one connection's mishap doesn't end the others
    log("error", "a failure that nobody was waiting for", { error: event.reason });
  });
  try {
    const daemon = await Daemon.start({
      ...parts,
      stateFolder: folder,
      log,
      helperSocket: helperSocket(Deno.uid() ?? -1),
      ended: () => ending.resolve("asked to"),
    });
    const server = serveControl(folder, daemon, (error) => {
      // The stack says where; the caller was told the message.
      log("error", "a request failed unexpectedly", { error: error instanceof Error ? error.stack : error });
    });
    log("info", "the daemon is up");
    const why = await ending.promise;
    // Who comes from now on starts the next daemon, which waits for the lock.
    await server.withdraw();
    const timer = setTimeout(() => {
      log("warn", "ending took too long");
      Deno.exit(1);
    }, END_TIMEOUT_MS);
    await daemon[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    clearTimeout(timer);
    log("info", `the daemon ends: ${why}`);
  } catch (error) {
    log("error", "the daemon fails", { error }); // nobody reads what it writes elsewhere
    throw error;
  }
}

/** False when another daemon has it and answers; one that is ending doesn't answer any more, and lets go of it soon. */
async function takeLock(lock: Deno.FsFile, socket: string): Promise<boolean> {
  const outcome = await pollUntil(
    async () => await lock.tryLock(true) ? "taken" : await answers(socket) && "another answers",
    { everyMs: LOOK_EVERY_MS, timeoutMs: END_TIMEOUT_MS + 1_000 },
  );
  return outcome === "taken";
}
