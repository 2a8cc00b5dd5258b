/** What keeps a shell from finding the program that was installed. */
export interface PathHint {
  readonly message: string;
  readonly hint: string;
}

/**
 * Looks for `pmz` as a shell does.
 * @param program where it was installed
 * @returns undefined where a shell finds that program
 */
export function pathHint(
  program: string,
  env: { get(name: string): string | undefined },
): PathHint | undefined {
  const folder = program.slice(0, program.lastIndexOf("/"));
  const folders = (env.get("PATH") ?? "").split(":").filter((one) => one.startsWith("/"));
  const first = folders.map((one) => `${one.replace(/\/+$/, "")}/pmz`).find(isProgram);
  if (first !== undefined && isSameFile(first, program)) return undefined;
  if (first !== undefined) {
    return {
      message: `${first} comes before ${program} in PATH`,
      hint: `remove it, or put ${folder} first in PATH`,
    };
  }
  const isFish = env.get("SHELL")?.endsWith("/fish") ?? false;
  return {
    message: `${folder} is not in PATH`,
    hint: isFish
      ? `run: fish_add_path ${folder}`
      : `add to ~/.profile, and log in again: export PATH="${folder}:$PATH"`,
  };
}

function isProgram(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false;
  }
}

function isSameFile(one: string, other: string): boolean {
  try {
    return Deno.realPathSync(one) === Deno.realPathSync(other);
  } catch {
    return false;
  }
}
