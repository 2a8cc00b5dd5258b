import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { failure } from "./failure.ts";
import type { Cli } from "./session.ts";
import { formatService, service, type ServiceName } from "./values.ts";

/** `--confirm`: the Service's name, for a context that the settings protect. */
export const confirm = optional(
  option("--confirm", service(), {
    description: message`Name the Service again, for a protected context.`,
  }),
);

/**
 * Where the settings protect a context, asks for the name of the Service that is to be intercepted there: nothing else is a yes.
 * @param confirmed what `--confirm` said
 * @throws {CliFailure} `declined` for another name, or where there is no terminal to ask on
 */
export async function confirmProtected(
  cli: Cli,
  context: string,
  meant: ServiceName,
  confirmed: ServiceName | undefined,
): Promise<void> {
  const { protect } = await cli.settings();
  const pattern = protectedBy(protect, context);
  if (pattern === undefined) return;
  const name = formatService(meant);
  const otherwise = `nothing was intercepted: the context ${context} is protected ("${pattern}")`;
  if (confirmed) {
    if (isSame(confirmed, meant)) return;
    throw failure(
      "declined",
      `${otherwise}, and --confirm names another Service`,
      `to agree: --confirm ${name}`,
    );
  }
  const { stdin } = cli.parts;
  if (!stdin.isTerminal) throw failure("declined", otherwise, `to agree beforehand: --confirm ${name}`);
  cli.terminal.question(`${context} is protected. To intercept there, type the Service's name, ${name}:`);
  const answer = (await stdin.readLine(cli.signal))?.trim();
  if (answer !== name && answer !== meant.service) throw failure("declined", otherwise);
}

/** The first of the settings' patterns that a context fits; undefined where it isn't protected. */
export function protectedBy(protect: readonly string[], context: string): string | undefined {
  return protect.find((pattern) => matches(pattern, context));
}

/** Whether a name fits a pattern, in which "*" stands for any characters. */
export function matches(pattern: string, name: string): boolean {
  const parts = pattern.split("*");
  const [first = ""] = parts, last = parts.at(-1) ?? "";
  if (parts.length === 1) return name === pattern;
  if (!name.startsWith(first) || !name.slice(first.length).endsWith(last)) return false;
  let at = first.length;
  const end = name.length - last.length;
  return parts.slice(1, -1).every((part) => {
    const found = name.indexOf(part, at);
    at = found + part.length;
    return found >= 0 && at <= end;
  });
}

function isSame(one: ServiceName, other: ServiceName): boolean {
  if (one.service !== other.service) return false;
  return one.namespace === undefined || other.namespace === undefined || one.namespace === other.namespace;
}
