import { helperFolder } from "../wire/helper.ts";

/** A folder that users other than root could have prepared. */
export class BadFolder extends Error {
  override name = "BadFolder";
}

/** The files of a user's helper. */
export interface HelperFolder {
  readonly path: string;
  readonly socket: string;
  /** Locked while a helper is started: one start after the other. */
  readonly starting: string;
  /** Locked while a helper lives. */
  readonly lock: string;
  /** Locked while a helper lives, and while its janitor cleans up. */
  readonly cleaning: string;
  readonly state: string;
  readonly log: string;
}

/**
 * Makes /run/pmz/UID, or uses the one that is there: it has to belong to root and be writable by root alone. All users may pass
 * through to the socket.
 * @throws {BadFolder}
 */
export function prepareFolder(uid: number): HelperFolder {
  const path = helperFolder(uid);
  makeFolder(parentOf(path), 0o755);
  makeFolder(path, 0o711);
  return filesIn(path);
}

/**
 * The file that is locked while a user has a slot, which is a device, an address and a table, and while their janitor cleans up: it
 * deletes by address and table, and would take those of the next user.
 */
export const slotLock = (slot: number): string => `${parentOf(helperFolder(0))}/slot-${slot}`;

export function filesIn(path: string): HelperFolder {
  return {
    path,
    socket: `${path}/helper.sock`,
    starting: `${path}/starting`,
    lock: `${path}/lock`,
    cleaning: `${path}/cleaning`,
    state: `${path}/helper.json`,
    log: `${path}/helper.log`,
  };
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function makeFolder(path: string, mode: number): void {
  try {
    Deno.mkdirSync(path, { mode });
    Deno.chmodSync(path, mode); // whatever the umask
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const { isDirectory, isSymlink, uid, mode: has } = Deno.lstatSync(path);
  if (!isDirectory || isSymlink || uid !== 0 || ((has ?? 0o777) & 0o022) !== 0) {
    throw new BadFolder(
      `${path} has to be a folder that belongs to root and that only root can write to: remove it`,
    );
  }
}
