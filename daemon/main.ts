import { controlFiles } from "../wire/control.ts";
import { serveControl } from "./control/server.ts";
import { Daemon } from "./daemon.ts";
import type { DaemonParts } from "./parts.ts";
import { fileLog } from "./log.ts";
import { openStateFolder } from "./state_folder.ts";

/** Undoing everything may take so long at a signal, in milliseconds: then the rest is the kernel's and the agents' to undo. */
const END_TIMEOUT_MS = 10_000;

/** What the daemon's process is made of. */
export type ProcessParts = Pick<DaemonParts, "installer" | "startWorker"> & { readonly stateFolder: string };

/**
 * The daemon as a process: one for each user, by a lock that the kernel lets go of with the process. Settles when it
 * was asked to end, with everything undone; or at once, when another one has the lock.
 */
export async function runDaemon(parts: ProcessParts): Promise<void> {
  Deno.umask(0o077);
  const folder = await openStateFolder(parts.stateFolder);
  using lock = await Deno.open(`${folder}/${controlFiles.lock}`, { write: true, create: true, mode: 0o600 });
  if (!await lock.tryLock(true)) return;
  using log = fileLog(`${folder}/${controlFiles.log}`);
  const ending = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => ending.resolve(signal));
  }
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault(); // one connection's mishap doesn't end the others
    log("a failure that nobody was waiting for", { error: event.reason });
  });
  const daemon = await Daemon.start({
    ...parts,
    stateFolder: folder,
    log,
    ended: () => ending.resolve("asked to"),
  });
  const serving = new AbortController();
  const server = serveControl(folder, daemon, serving.signal);
  log("the daemon is up");
  const why = await ending.promise;
  const timer = setTimeout(() => {
    log("ending took too long");
    Deno.exit(1);
  }, END_TIMEOUT_MS);
  await daemon[Symbol.asyncDispose]();
  serving.abort();
  await server.finished.catch(() => {});
  await Deno.remove(`${folder}/${controlFiles.socket}`).catch(() => {});
  clearTimeout(timer);
  log(`the daemon ends: ${why}`);
}
