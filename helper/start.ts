import { pollUntil } from "../async/poll_until.ts";
import { withTimeout } from "../async/timeout.ts";
import { FileLock } from "../ffi/proc/process.ts";
import { ProcessHandle } from "../ffi/proc/process_handle.ts";
import { grantArguments, type HelperGrant, type HelperReady } from "../wire/helper.ts";
import { type HelperFolder, prepareFolder } from "./folder.ts";
import { readState } from "./state.ts";

/** A helper may take this long to be ready, and an old one to end, in milliseconds. */
const READY = 20_000;
const END = 5_000;
/** Characters of a helper's first line. */
const LONGEST_LINE = 64 * 1024;

/** A command, and all that it gets of an environment. */
export interface StartAgain {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The helper could not be started; the message says why. */
export class StartFailed extends Error {
  override name = "StartFailed";
}

/**
 * Starts a user's helper in the background, as root: with an empty environment, in a session of its own, away from this process's
 * terminal. A helper that runs with a daemon and the same grant is left as it is; any other is replaced.
 * @param again how this program is started again; the grant's arguments follow
 * @throws {StartFailed} {BadFolder}
 */
export async function startHelper(
  grant: HelperGrant,
  { command: [program = "", ...args], env = {} }: StartAgain,
): Promise<HelperReady & { ready: true }> {
  if (Deno.uid() !== 0) throw new StartFailed("the helper has to be started as root: sudo pmz up does that");
  const folder = prepareFolder(grant.uid);
  // A look at a helper's lock takes it for a moment: another start would take that for a helper.
  using lock = await pollUntil(() => FileLock.take(folder.starting), { timeoutMs: READY + 2 * END });
  if (!lock) throw new StartFailed(`another start of the helper doesn't end: its lock is ${folder.starting}`);
  const there = await replace(folder, grant);
  if (there) return there;
  const child = new Deno.Command(program, {
    args: [...args, ...grantArguments(grant)],
    clearEnv: true,
    env,
    cwd: "/",
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    detached: true,
  }).spawn();
  child.unref();
  const ready = await withTimeout(firstLine(child.stdout), READY).catch((cause) => {
    throw new StartFailed(`the helper said nothing for ${READY / 1000} s: see ${folder.log}`, { cause });
  });
  if (!ready.ready) throw new StartFailed(ready.error);
  return ready;
}

/** Ends an older helper. @returns the older one when it is to stay */
async function replace(
  folder: HelperFolder,
  grant: HelperGrant,
): Promise<(HelperReady & { ready: true }) | undefined> {
  for (const [signal, patience] of [["SIGTERM", END], ["SIGKILL", END]] as const) {
    if (isFree(folder)) return undefined;
    const state = readState(folder.state);
    using helper = state && ProcessHandle.open(state.pid, state.began);
    if (helper && state.daemon && JSON.stringify(state.grant) === JSON.stringify(grant)) {
      return { ready: true, pid: state.pid, socket: folder.socket, address: state.address };
    }
    helper?.kill(signal);
    if (await pollUntil(() => isFree(folder), { timeoutMs: patience })) return undefined;
  }
  throw new StartFailed(`an older helper doesn't end: its lock is ${folder.lock}`);
}

function isFree(folder: HelperFolder): boolean {
  using lock = FileLock.take(folder.lock);
  return lock !== undefined;
}

/** The first line that the helper writes; the rest isn't read. */
async function firstLine(from: ReadableStream<Uint8Array>): Promise<HelperReady> {
  let text = "";
  for await (const chunk of from.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("\n") || text.length > LONGEST_LINE) break;
  }
  try {
    return JSON.parse(text.split("\n")[0] ?? "") as HelperReady; // of this program's own making
  } catch (cause) {
    throw new StartFailed("the helper ended before it was ready", { cause });
  }
}
