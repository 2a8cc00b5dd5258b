/** Where the helper's programs are: it runs these only, by absolute path and with an empty environment. */
const FOLDERS = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** A program of the system is missing. */
export class ProgramMissing extends Error {
  override name = "ProgramMissing";
}

/** The programs, by name. */
export type SystemProgram = "sh" | "ip" | "ss" | "nft";

/** The absolute path of a program that belongs to root; undefined when there is none. */
export function findProgram(
  name: SystemProgram,
  folders: readonly string[] = FOLDERS,
): string | undefined {
  return folders.map((folder) => `${folder}/${name}`).find((path) => {
    const info = statOf(path);
    return info?.isFile && info.uid === 0 && ((info.mode ?? 0) & 0o022) === 0;
  });
}

/** The same for a program that has to be there. @throws {ProgramMissing} */
export function programPath(name: SystemProgram): string {
  const path = findProgram(name);
  if (path !== undefined) return path;
  const remedy = name === "sh" ? "" : ": install iproute2";
  throw new ProgramMissing(`${name} is in none of ${FOLDERS.join(", ")}${remedy}`);
}

function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
