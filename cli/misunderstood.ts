import { formatMessage, type Message } from "@optique/core/message";
import { extractOptionNames } from "@optique/core/usage";
import type { Command } from "./command.ts";
import { type CliFailure, failure } from "./failure.ts";
import { commands, originals } from "./grammar.ts";
import { nearestWord } from "./nearest_word.ts";
import { otherWords } from "./other_words.ts";
import { clean } from "./sanitize.ts";

/** Says in one line why a command line is not valid, and which help to read. */
export function misunderstood(argv: readonly string[], message: Message): CliFailure {
  const words = commandOf(argv);
  const said = formatMessage(message, { quotes: true }).split("\n").filter((line) => line !== "").join(" ");
  return incompleteGroup(argv) ?? programWithoutHyphens(argv, words, said) ?? otherTool(argv, words) ??
    portApart(argv, said) ?? contextApart(argv, words, said) ?? jsonOption(argv, words, said) ??
    missing(argv, words, said) ??
    failure("usage", clean(textOf(argv, words, said)), `${["pmz", ...words].join(" ")} --help`);
}

/** "pmz dns", and "pmz dns lst". */
function incompleteGroup([first = "", second, ...more]: readonly string[]): CliFailure | undefined {
  const next = commands.filter(({ words }) => words.startsWith(`${first} `))
    .map(({ words }) => words.split(" ")[1] ?? "");
  if (next.length === 0 || commands.some(({ words }) => words === first)) return undefined;
  const help = `pmz ${first} --help`;
  const known = otherWords.get(`${first} ${second}`);
  if (known) {
    return failure(
      "usage",
      clean(`"pmz ${first} ${second}" is not a valid command: ${known.says}`),
      known.type,
    );
  }
  if (second === undefined) {
    return failure("usage", `"pmz ${first}" is not complete: add one of ${next.join(", ")}`, help);
  }
  if (next.includes(second) || second.startsWith("-")) return undefined;
  const meant = nearestWord(second, next);
  if (meant === undefined) return undefined;
  const text = `"pmz ${first} ${second}" is not a valid command: did you mean "${meant}"?`;
  return failure("usage", clean(text), clean(["pmz", first, meant, ...more].join(" ")));
}

function otherTool([first = ""]: readonly string[], words: readonly string[]): CliFailure | undefined {
  const known = otherWords.get(first);
  if (known === undefined || words.length > 0) return undefined;
  return failure("usage", `"pmz ${first}" is not a valid command: ${known.says}`, known.type);
}

/** "--proxy 1090": an option that stands without a value, too, takes one only with an equals sign. */
function portApart(argv: readonly string[], said: string): CliFailure | undefined {
  const at = argv.indexOf("--proxy");
  const port = argv[at + 1];
  if (at < 0 || port === undefined || !/^\d+$/.test(port) || !said.includes(port)) return undefined;
  const meant = ["pmz", ...argv.slice(0, at), `--proxy=${port}`, ...argv.slice(at + 2)].join(" ");
  return failure(
    "usage",
    `"--proxy ${port}" is not a valid option: write the port after an equals sign, --proxy=${port}`,
    clean(meant),
  );
}

/** "pmz up staging": a context stands behind its option. */
function contextApart(
  argv: readonly string[],
  words: readonly string[],
  said: string,
): CliFailure | undefined {
  const [, word = ""] = UNEXPECTED.exec(said) ?? [];
  const command = [...commands, ...originals].find((one) => one.words === words.join(" "));
  const at = argv.indexOf(word);
  if (!command || command.usage !== "" || at < words.length || word.startsWith("-")) return undefined;
  if (!extractOptionNames(command.parser.usage).has("--context")) return undefined;
  const line = ["pmz", ...argv.slice(0, at), "--context", ...argv.slice(at)].join(" ");
  return failure(
    "usage",
    clean(`"${word}" is not a valid option or command here`),
    clean(`to name a context: ${line}`),
  );
}

/** "pmz status --json" */
function jsonOption(argv: readonly string[], words: readonly string[], said: string): CliFailure | undefined {
  const [, word = ""] = UNEXPECTED.exec(said) ?? [];
  const command = commands.find((one) => one.words === words.join(" "));
  if (word !== "--json" || !command || !extractOptionNames(command.parser.usage).has("--output")) {
    return undefined;
  }
  const line = ["pmz", ...argv.map((one) => one === "--json" ? "-o json" : one)].join(" ");
  return failure("usage", '"--json" is not a valid option here: expected -o json', clean(line));
}

const UNEXPECTED = /^Unexpected option or subcommand: `(.*?)`/;

/** "pmz run shop npm start": a program's words stand after two hyphens, whose words never come here. */
function programWithoutHyphens(
  argv: readonly string[],
  words: readonly string[],
  said: string,
): CliFailure | undefined {
  const [, word = ""] = UNEXPECTED.exec(said) ?? [];
  const at = argv.indexOf(word);
  const isRunning = commands.some((one) => one.takesProgram && one.words === words.join(" "));
  if (!isRunning || at < 2 || word.startsWith("-")) return undefined;
  const line = ["pmz", ...argv.slice(0, at), "--", ...argv.slice(at)].join(" ");
  return failure("usage", "the program to run stands after two hyphens", clean(line));
}

/** Which arguments are missing. */
function missing(argv: readonly string[], words: readonly string[], said: string): CliFailure | undefined {
  const given = argv.slice(words.length);
  const command = [...commands, ...originals].find((one) => one.words === words.join(" "));
  if (!command || command.usage === "" || given.some((word) => word.startsWith("-"))) return undefined;
  if (!/^(Missing required|Expected .* too few arguments|No matching)/.test(said)) return undefined;
  const lacking = argumentsOf(command).slice(given.length);
  if (lacking.length === 0) return undefined;
  const line = ["pmz", ...argv].join(" ");
  return failure(
    "usage",
    clean(`"${line}" is not complete: add ${lacking.join(" and ")}`),
    `${["pmz", ...words].join(" ")} --help`,
  );
}

/** What follows a command's words: "SERVICE[.NS]", "LOCAL[:PORT]"; of "(SERVICE | --all)" one, "SERVICE or --all". */
function argumentsOf({ usage }: Command): readonly string[] {
  const choice = /^\((.*)\)$/.exec(usage)?.[1];
  if (choice !== undefined) return [choice.replaceAll(" | ", " or ")];
  const [own = ""] = usage.split(" -- ");
  return own.startsWith("-") ? [own] : own.split(" ");
}

function textOf(argv: readonly string[], words: readonly string[], said: string): string {
  if (/^No matching /.test(said)) {
    return `"${["pmz", ...argv].join(" ")}" is not a valid command line: something is missing, or too much`;
  }
  return said.replace(
    /^Unexpected option or subcommand: `(.*?)`\.?(?: Did you mean `(.*)`\?)?/,
    (_, word: string, near?: string) => {
      const meant = near ?? nearestOption(word, words);
      return `"${word}" is not a valid option or command here${
        meant === undefined ? "" : `: did you mean "${meant}"?`
      }`;
    },
  ).replace(/\.$/, "");
}

/** The option of a command that a mistyped long one means: "--failde" is "--failed". */
function nearestOption(typed: string, words: readonly string[]): string | undefined {
  const command = [...commands, ...originals].find((one) => one.words === words.join(" "));
  if (command === undefined || !typed.startsWith("--")) return undefined;
  const names = [...extractOptionNames(command.parser.usage)].filter((name) => name.startsWith("--"));
  const meant = nearestWord(typed.slice(2), names.map((name) => name.slice(2)));
  return meant === undefined ? undefined : `--${meant}`;
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
