import { failure } from "./failure.ts";
import type { Cli } from "./session.ts";

export function isRoot({ parts }: Pick<Cli, "parts">): boolean {
  return (parts.uid ?? Deno.uid()) === 0;
}

/**
 * The line that runs a command as root: with sudo, which can ask for the password on the terminal, or, where stdin is not a
 * terminal, reads it from stdin. Root itself needs no sudo.
 *
 * @param otherwise what is not done without sudo, for the error
 * @param instead what to do on a machine without sudo
 * @throws {CliFailure} `helper` when sudo is not on PATH
 */
export async function byRoot(
  cli: Cli,
  command: readonly string[],
  otherwise: string,
  instead: string,
): Promise<string[]> {
  if (isRoot(cli)) return [...command];
  const sudo = await findSudo(cli);
  if (sudo !== undefined) return [sudo, ...sudoOptions(cli), "--", ...command];
  throw failure("helper", `${otherwise}: there is no sudo on PATH`, instead);
}

function sudoOptions(cli: Cli): string[] {
  if (cli.parts.stdin.isTerminal) return ["-p", "[sudo] password for %p: "];
  return ["-S", "-p", ""];
}

/** The path of sudo; undefined when it isn't on PATH. */
export async function findSudo(cli: Cli): Promise<string | undefined> {
  for (const folder of (cli.parts.env.get("PATH") ?? "").split(":")) {
    if (!folder.startsWith("/")) continue;
    const path = `${folder}/sudo`;
    try {
      if ((await Deno.stat(path)).isFile) return path;
    } catch (error) {
      if (
        !(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory ||
          error instanceof Deno.errors.PermissionDenied)
      ) throw error;
    }
  }
  return undefined;
}
