import type { SetupScope, UninstallPlan, UninstallRequest } from "../wire/setup.ts";
import { found, isSame } from "./file_on_disk.ts";
import type { Places } from "./places.ts";
import { readRecord } from "./record.ts";

/** The folder of an unpacked version, or of one that is being unpacked (build/launcher/unpack.c). */
const UNPACKED = /^(\.[0-9a-f]{32}\.\d+|[0-9a-f]{32})$/;

/** Whatever a record says, root removes what it lists only here. */
const OF_MACHINE = "/usr/local/";

function mayGo(path: string, scope: SetupScope): boolean {
  return scope !== "system" || path.startsWith(OF_MACHINE);
}

/** What is to be removed. Nothing is, yet. */
export async function planUninstall(
  { scope, purge }: UninstallRequest,
  places: Places,
  runningFor: readonly number[],
): Promise<UninstallPlan> {
  const record = readRecord(places.record);
  const files: string[] = [], changed: string[] = [];
  for (const path of new Set(record?.files.map(({ path }) => path))) {
    if (!mayGo(path, scope)) continue;
    const there = await found(path);
    if (there === undefined) continue;
    const isOurs = there !== "something else" && record?.files.some((one) => isSame(one, there));
    (isOurs ? files : changed).push(path);
  }
  if (record) files.push(places.record);
  return {
    scope,
    isInstalled: record !== undefined,
    files,
    changed,
    caches: exists(places.cache) ? [places.cache] : [],
    purged: purge.filter(exists),
    runningFor,
  };
}

/**
 * Removes what the plan says, the program's own unpacked files last. What has been changed since the plan was made stays.
 * @returns what could not be removed, in words
 */
export async function uninstall(plan: UninstallPlan, places: Places): Promise<string[]> {
  const left: string[] = [];
  const attempt = async (path: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      left.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const record = readRecord(places.record);
  for (const path of plan.files) {
    await attempt(path, async () => {
      const there = await found(path);
      if (there === undefined) return;
      const isOurs = there !== "something else" && record?.files.some((one) => isSame(one, there));
      if (isOurs || path === places.record) await Deno.remove(path);
      else left.push(`${path}: it was changed meanwhile`);
    });
  }
  // Innermost first.
  for (const folder of record?.folders.toReversed() ?? []) {
    if (mayGo(folder, plan.scope)) await removeEmpty(folder);
  }
  for (const path of plan.purged) {
    await attempt(path, () => Deno.remove(path, { recursive: true }));
    const folder = path.slice(0, path.lastIndexOf("/"));
    if (folder.endsWith("/pmz")) await removeEmpty(folder);
  }
  for (const path of plan.caches) await attempt(path, () => removeVersions(path));
  return left;
}

async function removeVersions(cache: string): Promise<void> {
  for await (const { name } of Deno.readDir(cache)) {
    if (UNPACKED.test(name)) await Deno.remove(`${cache}/${name}`, { recursive: true });
  }
  await removeEmpty(cache);
}

/** Files of others keep a folder; what has taken its place, as a link to another one, stays. */
async function removeEmpty(folder: string): Promise<void> {
  try {
    if ((await Deno.lstat(folder)).isDirectory) await Deno.remove(folder);
  } catch {
    // It isn't empty, or is gone.
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
