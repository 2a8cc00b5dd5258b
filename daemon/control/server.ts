import { controlFiles, type Controlled } from "../../wire/control.ts";
import { controlApp, type OnUnexpected } from "./app.ts";

/**
 * Serves the control API on the state folder's socket, 0600. The folder is the user's alone, so whoever can connect
 * is the user.
 */
export function serveControl(
  folder: string,
  daemon: Controlled,
  signal: AbortSignal,
  onUnexpected?: OnUnexpected,
): Deno.HttpServer<Deno.UnixAddr> {
  const path = `${folder}/${controlFiles.socket}`;
  try {
    Deno.removeSync(path); // of a daemon that was killed: this one holds the lock
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const server = Deno.serve({ path, signal, onListen() {} }, controlApp(daemon, onUnexpected).fetch);
  Deno.chmodSync(path, 0o600);
  return server;
}
