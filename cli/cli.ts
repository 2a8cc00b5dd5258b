import { bash, fish, type ShellCompletion, zsh } from "@optique/core/completion";
import type { Suggestion } from "@optique/core/parser";
import { runParser } from "@optique/core/facade";
import { failures } from "../wire/control.ts";
import type { Interruption } from "./interruption.ts";
import type { Invocation } from "./command.ts";
import { asFailure } from "./failure.ts";
import { commands, grammar } from "./grammar.ts";
import { Interrupt } from "./interrupt.ts";
import { liveSuggestions } from "./live_suggestions.ts";
import { misunderstood } from "./misunderstood.ts";
import type { CliParts } from "./parts.ts";
import { Cli } from "./session.ts";
import { type Look, Terminal } from "./terminal.ts";

export type { CliParts, Input, Output } from "./parts.ts";

/** Columns of a page of help, where there is no terminal that has a width. */
const WIDTH = 100;

/**
 * Runs a command line, `argv` without the program's own name.
 * @returns the exit code, of the one table in wire/control.ts; it never throws.
 */
export async function runCli(argv: readonly string[], parts: CliParts): Promise<number> {
  try {
    const understood = parse(
      argv.length === 0 ? ["--help"] : argv,
      parts,
      await liveSuggestions(argv, parts),
    );
    if (understood === undefined) return 0;
    return await run(understood, parts);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return 0; // the reader of our output has seen enough, as in `| head`
    return report(
      error,
      new Terminal(parts, {
        output: "text",
        quiet: false,
        verbose: ["-v", "--verbose"].some((word) => programOf(argv).own.includes(word)),
      }),
    );
  }
}

/**
 * Understands a command line; help, version and completion are written at once.
 * @param suggestions of what only the daemon knows, for a shell that completes a word
 * @returns undefined when nothing is left to do.
 * @throws {CliFailure} `usage` when it isn't valid.
 */
export function parse(
  typed: readonly string[],
  parts: Pick<CliParts, "release" | "stdout">,
  suggestions: readonly Suggestion[] = [],
): Invocation | undefined {
  const { own, program } = programOf(typed);
  const argv = own.flatMap(apart);
  const columns = parts.stdout.columns();
  const shells = Object.fromEntries(
    [bash, fish, zsh].map((shell) => [shell.name, alsoSuggesting(shell, suggestions)]),
  );
  const understood = runParser(grammar, "pmz", argv, {
    help: { option: { names: ["-h", "--help"] }, command: { hidden: true }, onShow: () => undefined },
    version: { value: parts.release, option: { names: ["--version"] }, onShow: () => undefined },
    completion: { command: true, shells, onShow: () => undefined },
    brief: [{
      type: "text",
      text: "Connect this machine to a Kubernetes cluster, and answer its Services from here.",
    }],
    usageLine: [{ type: "ellipsis" }],
    commandList: "top-level",
    aboveError: "none",
    maxWidth: columns === undefined || columns < 40 ? WIDTH : columns,
    termWidth: "auto",
    stdout: (text) => parts.stdout.write(`${text.replace(/ +$/gm, "")}\n`),
    stderr: () => {},
    onError: (_, message) => {
      throw misunderstood(argv, message);
    },
  });
  return understood && program ? { ...understood, program } : understood;
}

/** The words of pmz's own, and those after "--" of a command that runs a program: they are the program's, whatever they are. */
function programOf(typed: readonly string[]): { own: readonly string[]; program?: readonly string[] } {
  const at = typed.indexOf("--");
  const runs = commands.some(({ words, takesProgram }) => takesProgram && words === typed[0]);
  return at < 0 || !runs ? { own: typed } : { own: typed.slice(0, at), program: typed.slice(at + 1) };
}

function alsoSuggesting(shell: ShellCompletion, more: readonly Suggestion[]): ShellCompletion {
  return { ...shell, encodeSuggestions: (own) => shell.encodeSuggestions([...own, ...more]) };
}

/** "-ojson", as kubectl takes it, is "-o json". */
function apart(word: string): readonly string[] {
  const [, format] = /^-o=?(.+)$/.exec(word) ?? [];
  return format === undefined ? [word] : ["-o", format];
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
