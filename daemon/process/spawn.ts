import { keepDescriptors } from "../../ffi/proc/inherited_descriptors.ts";
import { CONFIGURATION_ROOT } from "../../wire/configuration_root.ts";
import { type ControlError, controlFiles } from "../../wire/control.ts";
import { Failure } from "../failure.ts";

/** The daemon has this long to answer, in milliseconds. */
const START_TIMEOUT_MS = 15_000;
/** Characters of a daemon's first line. */
const LONGEST_LINE = 64 * 1024;

/** What a daemon says of itself in one line, as soon as it is ready or knows that it can't be. */
export type Startup = { readonly ready: true } | { readonly ready: false; readonly error: ControlError };

/**
 * Starts the daemon in the background, in a session of its own, and waits until its control socket answers. One that
 * runs already is fine.
 * @throws {Failure} what the daemon failed with; or that it ended without a word, or doesn't answer in time
 */
export async function spawnDaemon(command: readonly string[], stateFolder: string): Promise<void> {
  const socket = `${stateFolder}/${controlFiles.socket}`;
  const log = `${stateFolder}/${controlFiles.log}`;
  const tooLate = AbortSignal.timeout(START_TIMEOUT_MS);
  // Again: a daemon may leave it to another one, which ends before it is asked anything.
  while (!await answers(socket)) {
    const { startup, code } = await start(command, tooLate);
    if (tooLate.aborted) {
      throw new Failure("internal", `the daemon doesn't answer within ${START_TIMEOUT_MS / 1000} s`, {
        hint: `its log: ${log}`,
      });
    }
    if (startup && !startup.ready) throw failureOf(startup.error);
    if (!startup && code !== 0) {
      throw new Failure("internal", `the daemon ended at once, with exit code ${code}`, {
        hint: `its log: ${log}`,
      });
    }
  }
}

/** Starts it, and waits for its first line; without one, for its end. */
async function start(
  [program = "", ...args]: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly startup?: Startup; readonly code?: number }> {
  keepDescriptors(); // a lock or a pipe of the shell's would be held for as long as the daemon lives
  const child = new Deno.Command(program, {
    args,
    cwd: "/",
    env: {
      // Each command hands over that of its own shell: where that has none, ~/.kube/config is meant.
      KUBECONFIG: "",
      // The daemon isn't part of the program that `pmz run` started, and doesn't end with it.
      [CONFIGURATION_ROOT]: "",
    },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    detached: true,
  }).spawn();
  const line = await firstLine(child.stdout, signal);
  if (line === undefined && !signal.aborted) return { code: (await child.status).code };
  // Only now: until here, the child and its output may be all that keeps this program from ending.
  child.unref();
  return line === undefined ? {} : { startup: JSON.parse(line) as Startup }; // this program's own line
}

/** The first line, as it comes; undefined when the stream ends before, or when the signal aborts. */
async function firstLine(from: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<string | undefined> {
  const reader = from.pipeThrough(new TextDecoderStream()).getReader();
  const stop = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  try {
    let text = "";
    for (;;) {
      const { value = "", done } = await reader.read();
      text += value;
      const end = text.indexOf("\n");
      if (end >= 0) return text.slice(0, end);
      if (done || text.length > LONGEST_LINE) return undefined;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

function failureOf({ code, message, hint, causes = [] }: ControlError): Failure {
  return new Failure(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(causes.length === 0 ? {} : { cause: causes.join(" <- ") }),
  });
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
