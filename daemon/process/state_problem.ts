import { dirname } from "node:path";
import { controlFiles } from "../../wire/control.ts";
import { CustomNames } from "../custom_names.ts";
import { Failure } from "../failure.ts";
import { refuseForeign, refuseLong, writing } from "./state_folder.ts";

/** Why the daemon can't start, and what to do. */
export interface StateProblem {
  readonly why: string;
  readonly remedy: string;
}

/**
 * Looks at the state folder as the daemon does when it starts, and changes nothing.
 * @returns what would keep the daemon from starting; undefined for nothing
 */
export async function stateProblem(folder: string): Promise<StateProblem | undefined> {
  try {
    refuseLong(folder);
    const found = await stat(folder);
    if (!found) {
      await refuseUnmakeable(folder);
      return undefined;
    }
    refuseForeign(folder, found);
    for (const file of [controlFiles.lock, controlFiles.log]) {
      const path = `${folder}/${file}`;
      if (await stat(path)) await writing(path, async () => (await Deno.open(path, { write: true })).close());
    }
    await CustomNames.open(`${folder}/${controlFiles.names}`);
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const hint = error instanceof Failure ? error.hint : undefined;
    return { why, remedy: hint ?? `look at it: ls -la ${folder}` };
  }
}

/** Refuses a folder that can't be made: what is there above it has to be a folder that this user may write to. */
async function refuseUnmakeable(folder: string): Promise<void> {
  let path = dirname(folder);
  let found = await stat(path, Deno.stat);
  while (!found && path !== "/") {
    path = dirname(path);
    found = await stat(path, Deno.stat);
  }
  const why = !found?.isDirectory
    ? "is not a folder"
    : isClosed(found)
    ? "is not writable for you"
    : undefined;
  if (why !== undefined) await writing(folder, () => Promise.reject(new Error(`${path} ${why}`)));
}

/** Whether this user may certainly not write: an access control list allows no more than the group's bits, its mask. */
function isClosed({ uid, mode }: Deno.FileInfo): boolean {
  const own = Deno.uid();
  return own !== 0 && ((mode ?? 0) & (uid === own ? 0o200 : 0o022)) === 0;
}

/** Undefined for what isn't there, also since something above it is not a folder. */
async function stat(path: string, look = Deno.lstat): Promise<Deno.FileInfo | undefined> {
  try {
    return await look(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}
