/** Understanding a whole command line: every command is loaded for it. */
import { bash, fish, type ShellCompletion, zsh } from "@optique/core/completion";
import { runParser } from "@optique/core/facade";
import type { Suggestion } from "@optique/core/parser";
import { withColons } from "./bash_colons.ts";
import type { Invocation } from "./command.ts";
import { commands, grammar } from "./grammar.ts";
import { misunderstood } from "./misunderstood.ts";
import type { CliParts } from "./parts.ts";
import { apart, ownWords } from "./typed_words.ts";

/** Columns of a page of help, where there is no terminal that has a width. */
const WIDTH = 100;

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
  const takesProgram = commands.some(({ words, takesProgram }) => takesProgram && words === typed[0]);
  const { own, program } = ownWords(typed, takesProgram);
  const argv = own.flatMap(apart);
  const columns = parts.stdout.columns();
  const shells = Object.fromEntries(
    [withColons(bash), fish, zsh].map((shell) => [shell.name, alsoSuggesting(shell, suggestions)]),
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

function alsoSuggesting(shell: ShellCompletion, more: readonly Suggestion[]): ShellCompletion {
  return { ...shell, encodeSuggestions: (own) => shell.encodeSuggestions([...own, ...more]) };
}
