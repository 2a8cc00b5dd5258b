/** A file as an installation wants it: with this content, or as a link that leads there. */
import type { SetupScope } from "../wire/setup.ts";
import type { RecordedFile } from "./record.ts";
import { SetupError } from "./setup_error.ts";

export type WantedFile =
  & { readonly path: string }
  & (
    | { readonly bytes: Uint8Array<ArrayBuffer>; readonly sha256: string; readonly mode: number }
    | { readonly link: string }
  );

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/**
 * What is at a path, as a record would have it; undefined: nothing.
 * @throws {SetupError} where it can't be read
 */
export async function found(path: string): Promise<RecordedFile | "something else" | undefined> {
  try {
    const { isSymlink, isFile } = await Deno.lstat(path);
    if (isSymlink) return { path, link: await Deno.readLink(path) };
    if (!isFile) return "something else";
    return { path, sha256: await sha256(await Deno.readFile(path)) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw asSetupError(path, "read", error);
  }
}

export function isSame(one: RecordedFile, other: RecordedFile): boolean {
  if (one.path !== other.path) return false;
  if ("link" in one) return "link" in other && one.link === other.link;
  return "sha256" in other && one.sha256 === other.sha256;
}

export function recorded(wanted: WantedFile): RecordedFile {
  const { path } = wanted;
  return "link" in wanted ? { path, link: wanted.link } : { path, sha256: wanted.sha256 };
}

/**
 * Puts a file in its place, whole or not at all: a program that is being started is the old one or the new one, and one that
 * runs keeps what it runs from.
 * @throws {SetupError}
 */
export async function put(wanted: WantedFile): Promise<void> {
  const { path } = wanted;
  const born = `${path}.${crypto.randomUUID().slice(0, 8)}.new`;
  try {
    if ("link" in wanted) await Deno.symlink(wanted.link, born);
    else await write(born, wanted);
    await Deno.rename(born, path);
  } catch (error) {
    await Deno.remove(born).catch(() => {});
    throw asSetupError(path, "written", error);
  }
}

async function write(path: string, { bytes, mode }: Extract<WantedFile, { mode: number }>): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await file.write(rest));
  await file.sync(); // some file systems say only now that they are full
  await Deno.chmod(path, mode); // whatever the umask is
}

/**
 * Makes a folder and those above it: for everybody, or as private as the user's umask says.
 * @returns those that weren't there, outermost first
 * @throws {SetupError}
 */
export async function makeFolder(path: string, scope: SetupScope): Promise<string[]> {
  try {
    if ((await Deno.stat(path)).isDirectory) return [];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw asSetupError(path, "made", error);
  }
  const above = await makeFolder(path.slice(0, path.lastIndexOf("/")) || "/", scope);
  try {
    await Deno.mkdir(path, { mode: 0o755 });
    if (scope === "system") await Deno.chmod(path, 0o755);
    return [...above, path];
  } catch (error) {
    throw asSetupError(path, "made", error);
  }
}

function asSetupError(path: string, what: string, cause: unknown): SetupError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const isFull = cause instanceof Error && "code" in cause &&
    (cause.code === "ENOSPC" || cause.code === "EDQUOT");
  const hint = isFull
    ? "free some space there"
    : "is it yours to write? pmz install --system uses the machine's folders, by sudo";
  return new SetupError("usage", `${path} can't be ${what}: ${why}`, hint, { cause });
}
