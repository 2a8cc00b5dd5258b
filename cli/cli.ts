import { bash, fish, zsh } from "@optique/core/completion";
import { runParser } from "@optique/core/facade";
import { formatMessage, type Message } from "@optique/core/message";
import { failures } from "../wire/control.ts";
import type { Interruption, Invocation } from "./command.ts";
import { asFailure, failure } from "./failure.ts";
import { commands, grammar, originals } from "./grammar.ts";
import { otherWords } from "./other_words.ts";
import { Interrupt } from "./interrupt.ts";
import type { CliParts } from "./parts.ts";
import { clean } from "./sanitize.ts";
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
    const understood = parse(argv.length === 0 ? ["--help"] : argv, parts);
    if (understood === undefined) return 0;
    return await run(understood, parts);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return 0; // the reader of our output has seen enough, as in `| head`
    return report(
      error,
      new Terminal(parts, {
        output: "text",
        quiet: false,
        verbose: ["-v", "--verbose"].some((word) => argv.includes(word)),
      }),
    );
  }
}

/**
 * Understands a command line; help, version and completion are written at once.
 * @returns undefined when nothing is left to do.
 * @throws {CliFailure} `usage` when it isn't valid.
 */
export function parse(
  argv: readonly string[],
  parts: Pick<CliParts, "release" | "stdout">,
): Invocation | undefined {
  const columns = parts.stdout.columns();
  return runParser(grammar, "pmz", argv, {
    help: { option: { names: ["-h", "--help"] }, command: { hidden: true }, onShow: () => undefined },
    version: { value: parts.release, option: { names: ["--version"] }, onShow: () => undefined },
    completion: { command: true, shells: { bash, fish, zsh }, onShow: () => undefined },
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
}

async function run(invocation: Invocation, parts: CliParts): Promise<number> {
  using interrupt = parts.interrupted ? undefined : new Interrupt();
  const signal = parts.interrupted ?? interrupt?.signal ?? new AbortController().signal;
  await using cli = new Cli(parts, invocation.look, signal);
  try {
    await untilAborted(invocation.run(cli), signal);
    return 0;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw error;
    if (cli.isEndless && signal.aborted) return 0;
    return report(error, cli.terminal, invocation.interrupted);
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

/** Says in one line why a command line is not valid, and which help to read. */
function misunderstood(argv: readonly string[], message: Message): Error {
  const words = commandOf(argv);
  const said = formatMessage(message, { quotes: true }).split("\n").filter((line) => line !== "").join(" ");
  const group = argv.length === 1 ? commands.filter(({ words }) => words.startsWith(`${argv[0]} `)) : [];
  if (group.length > 0 && !commands.some(({ words }) => words === argv[0])) {
    const next = group.map(({ words }) => words.split(" ")[1]).join(", ");
    return failure("usage", `"pmz ${argv[0]}" is not complete: add one of ${next}`, `pmz ${argv[0]} --help`);
  }
  const known = otherWords.get(argv[0] ?? "");
  if (known !== undefined && words.length === 0) {
    return failure("usage", `"pmz ${argv[0]}" is not a valid command: ${known.says}`, known.type);
  }
  const line = ["pmz", ...argv].join(" ");
  const text = /^No matching /.test(said)
    ? `"${line}" is not a valid command line: something is missing, or too much`
    : said.replace(
      /^Unexpected option or subcommand: `(.*?)`\.?(?: Did you mean `(.*)`\?)?/,
      (_, word: string, meant?: string) =>
        `"${word}" is not a valid option or command here${
          meant === undefined ? "" : `: did you mean "${meant}"?`
        }`,
    ).replace(/\.$/, "");
  return failure("usage", clean(text), `${["pmz", ...words].join(" ")} --help`);
}

/** The leading words that name a command, or a group of them. */
function commandOf(argv: readonly string[]): readonly string[] {
  const names = new Set(
    [...commands, ...originals].flatMap(({ words }) => [words, words.split(" ")[0] ?? ""]),
  );
  for (const length of [2, 1]) {
    if (argv.length >= length && names.has(argv.slice(0, length).join(" "))) return argv.slice(0, length);
  }
  return [];
}

export type { Look };
