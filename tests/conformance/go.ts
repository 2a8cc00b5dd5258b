const CACHE = new URL("../../.cache/", import.meta.url);

/** The path of a Go that is installed here, or undefined. */
export async function findGo(): Promise<string | undefined> {
  for (const path of ["go", "/usr/local/go/bin/go"]) {
    try {
      const { success } = await new Deno.Command(path, { args: ["version"], stdout: "null", stderr: "null" })
        .output();
      if (success) return path;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

/** A folder for what Go builds, made if need be; without a slash at its end. */
export async function folderFor(name: string): Promise<string> {
  const folder = new URL(name, CACHE).pathname;
  await Deno.mkdir(folder, { recursive: true });
  return folder;
}

/** Runs Go. @throws when it fails: the message has what it said. */
export async function runGo(
  go: string,
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<void> {
  const { success, stderr } = await new Deno.Command(go, { args, ...options }).output();
  if (!success) throw new Error(`go ${args.join(" ")} failed: ${new TextDecoder().decode(stderr)}`);
}
