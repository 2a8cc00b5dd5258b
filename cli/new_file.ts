import { failure } from "./failure.ts";

/**
 * Writes a file that only its owner may read, which must not exist yet. It is written without a pause in which a signal could be
 * taken, and removed where that fails: so it is there as a whole, or not at all.
 * @throws {CliFailure} `usage` where it can't be written
 */
export function writeNewFile(path: string, bytes: Uint8Array): void {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  } catch (error) {
    const isThere = error instanceof Deno.errors.AlreadyExists;
    const why = isThere ? "there is such a file already" : messageOf(error);
    throw failure("usage", `${path} can't be written: ${why}`, "choose another file: --output FILE", error);
  }
  try {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(file.writeSync(rest));
    file.syncSync(); // some file systems say only now that they are full
  } catch (error) {
    Deno.removeSync(path);
    throw failure(
      "usage",
      `${path} can't be written: ${messageOf(error)}`,
      "choose a place with more space: --output FILE",
      error,
    );
  } finally {
    file.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
