import { root } from "./versions.ts";

/** A tool of the build failed, or isn't there. */
export class BuildError extends Error {
  override name = "BuildError";
}

/**
 * Runs a tool in the project's folder.
 *
 * @param remedy what to do where the tool is missing
 * @param timeout in milliseconds
 * @throws {BuildError} with what the tool said
 */
export async function tool(
  command: readonly string[],
  { remedy = "./dev gets it", timeout = 300_000 }: { remedy?: string; timeout?: number } = {},
): Promise<string> {
  const [program = "", ...args] = command;
  const signal = AbortSignal.timeout(timeout);
  const env = { NO_COLOR: "1" };
  let ended;
  try {
    ended = await new Deno.Command(program, { args, cwd: root, env, stdin: "null", stderr: "piped", signal })
      .output();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      throw new BuildError(`there is no ${program}: ${remedy}`, { cause });
    }
    throw cause;
  }
  const { success, code, stdout, stderr } = ended;
  if (!success) {
    throw new BuildError(`${command.join(" ")}\nended with ${code}:\n${new TextDecoder().decode(stderr)}`);
  }
  return new TextDecoder().decode(stdout);
}
