import { failures } from "../wire/control.ts";
import type { Interruption } from "./interruption.ts";
import type { Invocation } from "./command.ts";
import { asFailure } from "./failure.ts";
import { Interrupt } from "./interrupt.ts";
import { knownCommand } from "./known_command.ts";
import type { CliParts } from "./parts.ts";
import { Cli } from "./session.ts";
import { type Look, Terminal } from "./terminal.ts";
import { ownWords } from "./typed_words.ts";

export type { CliParts, Input, Output } from "./parts.ts";

/**
 * Runs a command line, `argv` without the program's own name.
 * @returns the exit code, of the one table in wire/control.ts; it never throws.
 */
export async function runCli(argv: readonly string[], parts: CliParts): Promise<number> {
  try {
    const understood = await knownCommand(argv) ?? await understand(argv, parts);
    if (understood === undefined) return 0;
    return await run(understood, parts);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return 0; // the reader of our output has seen enough, as in `| head`
    return report(
      error,
      new Terminal(parts, {
        output: "text",
        quiet: false,
        verbose: ["-v", "--verbose"].some((word) => ownWords(argv, true).own.includes(word)),
      }),
    );
  }
}

/** Understands what no command alone does: mistakes, help, completion. */
async function understand(argv: readonly string[], parts: CliParts): Promise<Invocation | undefined> {
  const { parse } = await import("./parse.ts");
  const { liveSuggestions } = await import("./live_suggestions.ts");
  return parse(argv.length === 0 ? ["--help"] : argv, parts, await liveSuggestions(argv, parts));
}

async function run(invocation: Invocation, parts: CliParts): Promise<number> {
  using interrupt = parts.interrupted ? undefined : new Interrupt();
  const signal = parts.interrupted ?? interrupt?.signal ?? new AbortController().signal;
  await using cli = new Cli(parts, invocation, signal, interrupt);
  try {
    await untilAborted(invocation.run(cli), signal);
    return cli.exitCode;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw error;
    if (cli.isEndless && signal.aborted) return 0;
    return report(error, cli.terminal, cli.interrupted ?? invocation.interrupted);
  }
}

/** Settles as `work` does, or at once when the signal aborts: what the daemon has begun, it undoes by itself. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function report(error: unknown, terminal: Terminal, interrupted?: Interruption): number {
  const { code, message, hint, causes } = asFailure(error);
  if (code === "interrupted" && interrupted) terminal.error(interrupted.message, interrupted.hint);
  else terminal.error(message, hint, causes);
  return failures[code].exit;
}

export type { Look };
