import { object } from "@optique/core/constructs";
import { lineBreak, type Message, message, text } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command as commandParser, type CommandOptions, flag, option } from "@optique/core/primitives";
import type { Interruption } from "./interruption.ts";
import type { Cli } from "./session.ts";
import type { Look } from "./terminal.ts";
import { oneOf } from "./values.ts";

/** Columns that help can count on. */
const NARROW = 80;

/** A line as it is typed, and what it's for. */
export type Example = readonly [line: string, says: string];

/** A command as its file states it. */
export interface CommandDefinition<Options> {
  /** "dns add" */
  readonly words: string;
  /** What follows the words, in short: "DOMAIN SERVICE[.NS]". */
  readonly usage?: string;
  /** One line, for lists of commands. */
  readonly brief: string;
  /** More of it, for its own help. */
  readonly description?: string;
  readonly examples: readonly Example[];
  readonly options: Parser<"sync", Options, unknown>;
  /** Whether it prints data, and so takes `-o json`. */
  readonly data: boolean;
  /** Whether a program to run follows "--". */
  readonly takesProgram?: boolean;
  /** Whether it is a word of pmzctl, the original, which works and isn't listed. */
  readonly original?: boolean;
  /** What to say after Ctrl-C; "interrupted" without it. */
  readonly interrupted?: Interruption;
  run(cli: Cli, options: Options): Promise<void>;
}

/** A command line that has been understood: what to run. */
export interface Invocation {
  readonly words: string;
  readonly options: unknown;
  readonly look: Look;
  readonly interrupted: Interruption;
  /** The words after "--", of a command that runs a program. */
  readonly program?: readonly string[];
  run(cli: Cli): Promise<void>;
}

/** A command as cli.ts composes it. */
export interface Command {
  readonly words: string;
  /** What follows the words, in short; empty where nothing has to. */
  readonly usage: string;
  readonly brief: string;
  readonly examples: readonly Example[];
  readonly takesProgram: boolean;
  /** Understands what follows the command's words. */
  readonly parser: Parser<"sync", Invocation, unknown>;
  readonly page: CommandOptions;
}

/** Makes a command of its definition: its options, and those that all commands share. */
export function define<Options>(definition: CommandDefinition<Options>): Command {
  const { words, usage = "", brief, examples, interrupted = { message: "interrupted" } } = definition;
  const own: Parser<"sync", Pick<Invocation, "options" | "run">, unknown> = map(
    definition.options,
    (options) => ({ options, run: (cli: Cli) => definition.run(cli, options) }),
  );
  const look = definition.data ? dataLook : plainLook;
  const parser = map(
    object({ own, look }),
    ({ own, look }): Invocation => ({ words, look, interrupted, ...own }),
  );
  return {
    words,
    usage,
    brief,
    examples,
    takesProgram: definition.takesProgram ?? false,
    parser,
    page: pageOf(definition),
  };
}

/** The same command by a word of pmzctl, the original. */
export function alias(command: Command, words: string, brief: string, examples: readonly Example[]): Command {
  return {
    words,
    usage: command.usage,
    brief,
    examples,
    takesProgram: command.takesProgram,
    parser: command.parser,
    page: pageOf({ brief, examples, original: true }),
  };
}

/** The parser of `word` (the last of the command's words) and what follows it. */
export function asWord(command: Command): Parser<"sync", Invocation, unknown> {
  return commandParser(command.words.split(" ").at(-1) ?? command.words, command.parser, command.page);
}

/** The text of a help page; `text` of several lines keeps them. */
export function prose(paragraph: string): Message {
  return paragraph.split("\n").flatMap((line, i) => i === 0 ? [text(line)] : [lineBreak(), text(line)]);
}

function pageOf(
  { brief, description, examples, usage = "", original = false }:
    & Pick<Command, "brief" | "examples">
    & Pick<CommandDefinition<unknown>, "description" | "usage" | "original">,
): CommandOptions {
  return {
    brief: prose(brief),
    description: prose(description ?? brief),
    hidden: original,
    usageLine: usageWords(usage).map((value) => ({ type: "literal", value })),
    ...(examples.length === 0 ? {} : { footer: prose(["Examples:", ...linesOf(examples)].join("\n")) }),
  };
}

/** What follows a command's words, with its options, which stand before a program. */
function usageWords(usage: string): string[] {
  const [own = "", program] = usage.split(" -- ");
  const words = `${own} [options]`.trim().split(" ");
  return program === undefined ? words : [...words, "--", program];
}

/** The examples, each next to its purpose, or below it where that is too wide for a narrow terminal. */
function linesOf(examples: readonly Example[]): string[] {
  const longest = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, says]) => `  ${line.padEnd(longest)}  ${says}`);
  if (lines.every((line) => line.length < NARROW)) return lines;
  return examples.flatMap(([line, says]) => [`  # ${says}`, `  ${line}`]);
}

const quiet = withDefault(
  flag("-q", "--quiet", { description: message`Print only data, warnings and errors.` }),
  false,
);
const verbose = withDefault(
  flag("-v", "--verbose", { description: message`Print the causes of an error, too.` }),
  false,
);
const output = withDefault(
  option("-o", "--output", oneOf("FORMAT", "format", ["text", "json"]), {
    description: message`Print text, or json for scripts.`,
  }),
  "text" as const,
);
const plainLook: Parser<"sync", Look, unknown> = map(
  object({ quiet, verbose }),
  (look): Look => ({ ...look, output: "text" }),
);
const dataLook: Parser<"sync", Look, unknown> = object({ quiet, verbose, output });
