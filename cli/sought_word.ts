import type { Usage, UsageTerm } from "@optique/core/usage";
import { commands, originals } from "./grammar.ts";

/** What a word is the name of. `context` is one of the kubeconfig, `connected` one that pmz is connected to. */
export type WordKind =
  | "context"
  | "connected"
  | "namespace"
  | "service"
  | "port"
  | "intercept"
  | "domain";

/** A word that a shell is about to complete. */
export interface SoughtWord {
  readonly kind: WordKind;
  /** What stands before the name in the word, and stays: "--context=", "8081:". */
  readonly before: string;
  /** What is typed of the name. */
  readonly typed: string;
  /** What the line says already. */
  readonly namespace?: string;
  readonly context?: string;
  /** The Service whose port is sought. */
  readonly service?: string;
}

/** Commands that are followed by a Service. */
const takeService = new Set(["intercept", "explain", "run", "env"]);
/** Commands whose `--context` is one that pmz is connected to. */
const takeConnected = new Set(["down", "disconnect", "dns", "services", "leave"]);
/** What follows these options. */
const ofOption: Readonly<Record<string, WordKind>> = {
  "--namespace": "namespace",
  "-n": "namespace",
  "--confirm": "service",
  "-s": "service",
  "--service": "service",
};

/**
 * What the last word is the name of; undefined where pmz knows no such names.
 * @param words those after "pmz"; the last one may be empty
 */
export function soughtWord(words: readonly string[]): SoughtWord | undefined {
  const earlier = words.slice(0, -1), last = words.at(-1) ?? "";
  if (earlier.includes("--")) return undefined; // a program's own words
  const said = {
    ...optional("namespace", valueOf(earlier, ["-n", "--namespace"])),
    ...optional("context", valueOf(earlier, ["--context"])),
  };
  const valued = valuedOptions();
  const [first = "", ...more] = plainWords(earlier, valued);
  const [, option, value] = /^(--[a-z-]+)=(.*)$/s.exec(last) ?? [];
  const asked = option ?? earlier.at(-1) ?? "";
  const name = value ?? last, before = value === undefined ? "" : `${option}=`;
  if (asked === "--context") {
    return { kind: takeConnected.has(first) ? "connected" : "context", before, typed: name };
  }
  if (asked === "--intercept") {
    const [service] = more;
    return service === undefined ? undefined : localPort(name, service, before, said);
  }
  const kind = ofOption[asked];
  if (kind !== undefined) return { kind, before, typed: name, ...said };
  if (value !== undefined || last.startsWith("-") || valued.has(asked)) return undefined;
  return positional(first, more, last, said);
}

type Said = Pick<SoughtWord, "namespace" | "context">;

function positional(
  first: string,
  more: readonly string[],
  typed: string,
  said: Said,
): SoughtWord | undefined {
  const [second] = more;
  if (takeService.has(first) && second === undefined) {
    const [, service, port] = /^([^:/]+):([^/]*)$/s.exec(typed) ?? [];
    if (service === undefined || port === undefined) return { kind: "service", before: "", typed, ...said };
    return first === "explain"
      ? { kind: "port", before: `${service}:`, typed: port, service, ...said }
      : undefined;
  }
  if (first === "intercept" && second !== undefined && more.length === 1) {
    return localPort(typed, second, "", said);
  }
  if (first === "leave" && more.length === 0) return { kind: "intercept", before: "", typed, ...said };
  if (first !== "dns") return undefined;
  if (second === "remove" && more.length === 1) return { kind: "domain", before: "", typed };
  return second === "add" && more.length === 2 ? { kind: "service", before: "", typed, ...said } : undefined;
}

/** LOCAL:PORT, where PORT is one of the Service's. */
function localPort(word: string, service: string, before: string, said: Said): SoughtWord | undefined {
  const at = word.lastIndexOf(":");
  if (at < 0 || !/\d$/.test(word.slice(0, at))) return undefined;
  return {
    kind: "port",
    before: `${before}${word.slice(0, at + 1)}`,
    typed: word.slice(at + 1),
    service,
    ...said,
  };
}

/** The words that are neither options nor their values. */
function plainWords(words: readonly string[], valued: ReadonlySet<string>): string[] {
  return words.filter((word, i) => !word.startsWith("-") && !valued.has(words[i - 1] ?? ""));
}

function valueOf(words: readonly string[], names: readonly string[]): string | undefined {
  for (const [i, word] of words.entries()) {
    if (names.includes(word)) return words[i + 1];
    const name = names.find((one) => word.startsWith(`${one}=`));
    if (name !== undefined) return word.slice(name.length + 1);
  }
  return undefined;
}

function optional<Name extends string>(name: Name, value: string | undefined): { [N in Name]?: string } {
  return value === undefined || value === "" ? {} : { [name]: value } as { [N in Name]?: string };
}

/** Options that a value follows: all of the grammar's. `--proxy` has one only after an equals sign. */
function valuedOptions(): ReadonlySet<string> {
  const all = [...commands, ...originals].flatMap(({ parser }) => valuedIn(parser.usage));
  return new Set(all.filter((name) => name !== "--proxy"));
}

function valuedIn(usage: Usage): string[] {
  return usage.flatMap((term: UsageTerm): string[] => {
    if (term.type === "option") return term.metavar === undefined ? [] : [...term.names];
    if (term.type === "optional" || term.type === "multiple") return valuedIn(term.terms);
    return term.type === "exclusive" ? term.terms.flatMap(valuedIn) : [];
  });
}
