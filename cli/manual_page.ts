/** The manual page, pmz(1), made of the same grammar as `--help` and docs/commands.md. */
import type { DocEntry } from "@optique/core/doc";
import { formatMessage, type Message } from "@optique/core/message";
import { getDocPageSync } from "@optique/core/parser";
import { formatUsageTerm } from "@optique/core/usage";
import { failures } from "../wire/control.ts";
import type { Command } from "./command.ts";
import { commands, grammar } from "./grammar.ts";
import { settings } from "./settings/table.ts";

/** The page's text, in roff with the macros of man(7). */
export function manualPage(release: string): string {
  return [
    `.TH PMZ 1 "" ${quoted(`pmz ${release}`)} "User Commands"`,
    ".nh",
    ".ad l",
    ".SH NAME",
    "pmz \\- connect this machine to a Kubernetes cluster, and answer its Services from here",
    ".SH SYNOPSIS",
    ...commands.flatMap(({ words, usage }) => [
      `.B ${escaped(`pmz ${words}`)}`,
      ...line(
        `${usage.replace(" -- ", " [options] -- ")}${usage.includes(" -- ") ? "" : " [options]"}`.trim(),
      ),
      ".br",
    ]),
    ".SH DESCRIPTION",
    ...line(
      "Every Service of the cluster answers by its name, in every program of yours, by TCP and UDP; and a program of this " +
        "machine can answer a Service in place of its pods. Data goes to standard output; steps, warnings, questions and " +
        "errors go to standard error.",
    ),
    ".SH COMMANDS",
    ...commands.flatMap(section),
    ".SH EXIT STATUS",
    ...tagged("0", "done, or nothing to do"),
    ...[...exitCodes()].flatMap(([exit, means]) => tagged(String(exit), means.join("; "))),
    ".SH ENVIRONMENT",
    ...tagged("KUBECONFIG", "the kubeconfig files, as kubectl reads them; ~/.kube/config without it"),
    ...Object.values(settings).flatMap(({ variable, key, option }) =>
      tagged(variable, `the setting ${key}, below the option ${option}`)
    ),
    ...tagged("NO_COLOR", "no colours, where it isn't empty"),
    ".SH FILES",
    ...tagged("~/.config/pmz/config.yaml", "settings, which pmz config view shows"),
    ...tagged("~/.local/state/pmz/", "the daemon's log and control socket, and domains of pmz dns add"),
    ...tagged("~/.cache/pmz/, /var/cache/pmz/", "the program, unpacked, for the user and for root"),
    ...tagged(
      "~/.local/share/pmz/installed.json, /usr/local/share/pmz/installed.json",
      "what pmz install made, for pmz uninstall",
    ),
    ".SH SEE ALSO",
    ".BR kubectl (1),",
    ".BR sudo (8)",
    "",
  ].join("\n");
}

function section({ words, examples }: Command): string[] {
  const page = getDocPageSync(grammar, words.split(" "));
  if (!page) throw new Error(`pmz ${words} has no help`);
  return [
    `.SS ${quoted(`pmz ${words}`)}`,
    ...paragraphs(page.description),
    ...page.sections.flatMap(({ entries }) => entries).flatMap(entry),
    ...(examples.length === 0 ? [] : [".PP", "Examples:"]),
    ...examples.flatMap(([line, says]) => [".TP", `.B ${escaped(line)}`, escapedLine(says)]),
  ];
}

function entry({ term, description }: DocEntry): string[] {
  return tagged(formatUsageTerm(term, { optionsSeparator: ", " }), textOf(description));
}

function tagged(tag: string, says: string): string[] {
  return [".TP", `.B ${escaped(tag)}`, ...(says === "" ? [".br"] : line(says))];
}

/** Paragraphs are apart by an empty line; single lines, as in lists, stay lines. */
function paragraphs(message: Message | undefined): string[] {
  return textOf(message).split("\n\n").flatMap((paragraph, i) => {
    const [first = "", ...more] = paragraph.split("\n");
    return [
      ...(i === 0 ? [] : [".PP"]),
      ...line(first),
      ...more.flatMap((one) => [".br", ...line(one.trim())]),
    ];
  });
}

function textOf(message: Message | undefined): string {
  return message === undefined ? "" : formatMessage(message, { colors: false, quotes: false });
}

function line(text: string): string[] {
  return text === "" ? [] : [escapedLine(text)];
}

/** The meanings of each exit code. */
function exitCodes(): Map<number, string[]> {
  const all = new Map<number, string[]>();
  for (const { exit, means } of Object.values(failures)) {
    all.set(exit, [...all.get(exit) ?? [], means.replaceAll("`", "")]);
  }
  return all;
}

/** A hyphen that is typed stays one, and can be searched and copied (groff_man_style(7)). */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq").replaceAll("`", "\\(ga")
    .replaceAll('"', "\\(dq").replaceAll("~", "\\(ti").replaceAll("^", "\\(ha");
}

/** A line that begins with a dot or an apostrophe would be a request. */
function escapedLine(text: string): string {
  return escaped(text).replace(/^\./, "\\&.");
}

function quoted(text: string): string {
  return `"${escaped(text)}"`;
}
