import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { flag } from "@optique/core/primitives";
import type { SetupScope } from "../wire/setup.ts";
import type { Cli } from "./session.ts";
import { byRoot } from "./sudo.ts";

/** `--user` or `--system`; undefined where neither was given. */
export const scopeOption = optional(or(
  map(
    object({ scope: flag("--user", { description: message`In your home folder, for you alone.` }) }),
    (): SetupScope => "user",
  ),
  map(
    object({ scope: flag("--system", { description: message`In /usr/local, for everybody, by sudo.` }) }),
    (): SetupScope => "system",
  ),
));

/**
 * Runs this pmz again as root, with the same terminal.
 * @returns its exit code; what went wrong has been said by it, or by sudo
 */
export async function againAsRoot(cli: Cli, args: readonly string[], otherwise: string): Promise<number> {
  const command = cli.parts.selfCommand(args);
  const [program = "", ...rest] = await byRoot(cli, command, otherwise, "run it as root");
  const child = new Deno.Command(program, {
    args: rest,
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  });
  return (await child.spawn().status).code;
}
