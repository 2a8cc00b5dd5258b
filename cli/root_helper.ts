import type { HelperGrant } from "../wire/helper.ts";
import { failure } from "./failure.ts";
import type { Cli } from "./session.ts";

const WITHOUT_ROOT = "without root there is: pmz up --proxy";

/**
 * Starts the root helper with sudo, in the foreground, so that sudo can ask for the password: on the terminal, or,
 * where stdin is none, by reading it from there. Root itself needs no sudo.
 * @throws {CliFailure} `helper` when sudo is missing, refuses, or the helper doesn't start.
 */
export async function startHelper(cli: Cli, grant: HelperGrant): Promise<void> {
  const helper = [...cli.parts.helperCommand(grant)];
  const isRoot = (cli.parts.uid ?? Deno.uid()) === 0;
  const line = isRoot ? helper : [await sudoOf(cli), ...sudoOptions(cli), "--", ...helper];
  if (!isRoot) cli.terminal.note("sudo starts pmz's root helper: routes and names, for your user alone");
  const [program = "", ...args] = line;
  const child = new Deno.Command(program, { args, stdin: "inherit", stdout: "null", stderr: "inherit" })
    .spawn();
  const { code, signal } = await child.status;
  cli.signal.throwIfAborted();
  if (code !== 0) {
    const how = signal === null ? `with ${code}` : `by ${signal}`;
    throw failure(
      "helper",
      `the root helper didn't start: ${line.slice(0, 1).join(" ")} ended ${how}`,
      WITHOUT_ROOT,
    );
  }
}

function sudoOptions(cli: Cli): string[] {
  if (cli.parts.stdin.isTerminal) return ["-p", "[sudo] password for %p: "];
  return ["-S", "-p", ""];
}

/** @throws {CliFailure} `helper` when there is none. */
async function sudoOf(cli: Cli): Promise<string> {
  const path = await findSudo(cli);
  if (path !== undefined) return path;
  throw failure(
    "helper",
    "sudo is not on PATH: the root helper can't be started",
    `run pmz up as root, or ${WITHOUT_ROOT}`,
  );
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
