import { controlFiles } from "../../wire/control.ts";
import { Failure } from "../failure.ts";

/** Bytes of a socket's path, but for the NUL at its end (man 7 unix). */
const LONGEST_SOCKET_PATH = 107;

/**
 * The one folder of the user's that the daemon writes to: control socket, log, lock, custom domains. Not in
 * /run/user, which goes at logout.
 */
export function stateFolderPath(env: { get(name: string): string | undefined }): string {
  const base = env.get("XDG_STATE_HOME");
  if (base?.startsWith("/")) return `${base}/pmz`;
  const home = env.get("HOME");
  if (!home?.startsWith("/")) {
    throw new Failure("usage", "HOME is not set: there is no folder for pmz's state", {
      hint: "set HOME, or XDG_STATE_HOME",
    });
  }
  return `${home}/.local/state/pmz`;
}

/**
 * Makes the folder, or makes sure that it is a folder, not a link, that belongs to this user alone. What lies in it is
 * then out of other users' reach, links included.
 * @throws {Failure} when it is something else, as one that another user made beforehand
 */
export async function openStateFolder(path: string): Promise<string> {
  refuseLong(path);
  await writing(path, async () => {
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
    try {
      await Deno.mkdir(path, { mode: 0o700 });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  });
  const found = await Deno.lstat(path);
  refuseForeign(path, found);
  if (((found.mode ?? 0) & 0o077) !== 0) await Deno.chmod(path, 0o700);
  return path;
}

/** @throws {Failure} when the path leaves no room for that of the control socket */
export function refuseLong(path: string): void {
  const excess = new TextEncoder().encode(`${path}/${controlFiles.socket}`).length - LONGEST_SOCKET_PATH;
  if (excess <= 0) return;
  throw new Failure("usage", `the path ${path} is ${excess} bytes too long: pmz's control socket is there`, {
    hint: "choose another folder with XDG_STATE_HOME",
  });
}

/** @throws {Failure} when what is in the state folder's place is not a folder of this user's, which this user may write to */
export function refuseForeign(path: string, found: Deno.FileInfo): void {
  const wrong = !found.isDirectory
    ? "is not a folder"
    : found.uid !== Deno.uid()
    ? `belongs to uid ${found.uid}`
    : undefined;
  if (wrong) {
    throw new Failure("usage", `${path} ${wrong}: pmz keeps its state there`, {
      hint: `move it away: mv ${path} ${path}.old`,
    });
  }
  const mode = (found.mode ?? 0) & 0o777;
  if ((mode & 0o700) !== 0o700) {
    throw new Failure("usage", `${path} can't be written: its mode is ${mode.toString(8).padStart(3, "0")}`, {
      hint: `run: chmod 700 ${path}`,
    });
  }
}

/**
 * Does what writes a file or folder of the state.
 * @throws {Failure} `usage` where it can't: it names the path
 */
export async function writing<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    const remedy = isFull(cause) ? "free some space there" : "make it writable for you";
    throw new Failure("usage", `${path} can't be written: ${why}`, {
      hint: `pmz keeps its state there: ${remedy}, or choose another folder with XDG_STATE_HOME`,
      cause,
    });
  }
}

/** Whether a disk, or the user's share of it, is full. */
function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}
