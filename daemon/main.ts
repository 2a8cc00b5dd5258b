import { pollUntil } from "../async/poll_until.ts";
import { controlFiles } from "../wire/control.ts";
import { helperSocket } from "../wire/helper.ts";
import { serveControl } from "./control/server.ts";
import { Daemon } from "./daemon.ts";
import { describe } from "./control_error.ts";
import type { DaemonParts } from "./parts.ts";
import { fileLog } from "./process/log.ts";
import { answers, type Startup } from "./process/spawn.ts";
import { openStateFolder, stateFolderPath, writing } from "./process/state_folder.ts";

/** Undoing everything may take so long at a signal, in milliseconds: then the rest is the kernel's and the agents' to undo. */
const END_TIMEOUT_MS = 10_000;

/** Between looks at a lock that another daemon has, in milliseconds. */
const LOOK_EVERY_MS = 20;

/** What the daemon's process is made of. */
export type ProcessParts = Pick<DaemonParts, "installer" | "startWorker"> & {
  readonly env: { get(name: string): string | undefined };
  /** Called once: as soon as a daemon answers, be it another one that was there before; or when it can't start. */
  onStartup(startup: Startup): void;
};

/**
 * The daemon as a process: one for each user, by a lock that the kernel lets go of with the process. Settles when it
 * was asked to end, with everything undone; or at once, when another one has the lock and answers.
 */
export async function runDaemon(parts: ProcessParts): Promise<void> {
  Deno.umask(0o077);
  let started = false;
  const onStartup = (startup: Startup) => {
    if (!started) parts.onStartup(startup);
    started = true;
  };
  try {
    const folder = await openStateFolder(stateFolderPath(parts.env));
    const path = `${folder}/${controlFiles.lock}`;
    using lock = await writing(path, () => Deno.open(path, { write: true, create: true, mode: 0o600 }));
    if (!await takeLock(lock, `${folder}/${controlFiles.socket}`)) return onStartup({ ready: true });
    await writeProcess(lock);
    await serve(parts, folder, () => onStartup({ ready: true }));
  } catch (error) {
    onStartup({ ready: false, error: describe(error) });
    throw error;
  }
}

/** Has `ps`, and the flows of the daemon's own connections, show it as pmz. */
function nameProcess(): void {
  try {
    Deno.writeTextFileSync("/proc/self/comm", "pmz", { create: false });
  } catch {
    // It is shown as deno.
  }
}

/** Serves the control API until it is asked to end, and undoes everything. */
async function serve(parts: ProcessParts, folder: string, ready: () => void): Promise<void> {
  nameProcess();
  const logPath = `${folder}/${controlFiles.log}`;
  using log = await writing(logPath, () => fileLog(logPath));
  const ending = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => ending.resolve(signal));
  }
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault(); // one connection's mishap doesn't end the others
    log("error", "a failure was not handled", { error: event.reason });
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
    ready();
    const why = await ending.promise;
    // New clients start the next daemon, which waits for the lock.
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
    log("error", "the daemon fails", { error });
    throw error;
  }
}

/** Who has the lock, for those to whom the daemon doesn't answer. A disk that is full costs them that, and nothing else. */
async function writeProcess(lock: Deno.FsFile): Promise<void> {
  await lock.truncate();
  await lock.write(new TextEncoder().encode(`${Deno.pid}\n`)).catch(() => {});
}

/** False when another daemon has it and answers; one that is ending doesn't answer any more, and lets go of it soon. */
async function takeLock(lock: Deno.FsFile, socket: string): Promise<boolean> {
  const outcome = await pollUntil(
    async () => await lock.tryLock(true) ? "taken" : await answers(socket) && "another answers",
    { everyMs: LOOK_EVERY_MS, timeoutMs: END_TIMEOUT_MS + 1_000 },
  );
  return outcome === "taken";
}
