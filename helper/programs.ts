/** The only programs that the helper runs, each by absolute path and with an empty environment. */
const FOLDERS = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** A program of the system is missing. */
export class ProgramMissing extends Error {
  override name = "ProgramMissing";
}

/** The absolute path of a program of the system's, which is root's. @throws {ProgramMissing} */
export function programPath(name: "sh" | "ip" | "ss"): string {
  for (const folder of FOLDERS) {
    const path = `${folder}/${name}`;
    const info = statOf(path);
    if (info?.isFile && info.uid === 0 && ((info.mode ?? 0) & 0o022) === 0) return path;
  }
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
