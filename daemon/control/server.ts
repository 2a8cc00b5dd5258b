import { controlFiles, type Controlled } from "../../wire/control.ts";
import { settlesWithin } from "../../async/timeout.ts";
import { controlApp, type OnUnexpected } from "./app.ts";

/** Readers have this long to take the rest of their answers, in milliseconds. */
const READ_TIMEOUT_MS = 1_000;

/** The control API, as it is served. */
export interface ControlServer extends AsyncDisposable {
  /** Removes the socket, so that new clients start another daemon. Answers that have begun are finished. */
  withdraw(): Promise<void>;
  /** Resolves when all answers are finished, after it was disposed. */
  readonly finished: Promise<void>;
}

/**
 * Serves the control API on the state folder's socket, 0600. Only the user can enter the folder, so only the user can
 * connect. A socket that is there already is that of a daemon which was killed: this one holds the lock.
 */
export function serveControl(
  folder: string,
  daemon: Controlled,
  onUnexpected?: OnUnexpected,
): ControlServer {
  const path = `${folder}/${controlFiles.socket}`;
  // Deno removes whatever is at the path of a listener that it closes: the socket of another daemon must not lie there.
  const born = `${folder}/new.sock`;
  removeFile(born);
  const closing = new AbortController(); // ends the answers that are streams
  const server = Deno.serve(
    { path: born, onListen() {} },
    controlApp(daemon, closing.signal, onUnexpected).fetch,
  );
  Deno.chmodSync(born, 0o600);
  const { dev, ino } = Deno.lstatSync(born);
  Deno.renameSync(born, path);
  const withdraw = async () => {
    const there = await Deno.lstat(path).catch(() => undefined);
    if (there?.dev === dev && there.ino === ino) removeFile(path);
  };
  return {
    finished: server.finished,
    withdraw,
    async [Symbol.asyncDispose]() {
      await withdraw();
      closing.abort();
      await settlesWithin(server.shutdown(), READ_TIMEOUT_MS);
    },
  };
}

function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
