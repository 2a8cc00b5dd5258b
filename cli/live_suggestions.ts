import type { Suggestion } from "@optique/core/parser";
import { ControlClient } from "./control_client.ts";
import type { CliParts } from "./parts.ts";

/** A shell waits for this long at most, in milliseconds. */
const ASK_TIMEOUT_MS = 1_000;
/** Options of all commands that are followed by a value. */
const valued = [
  "--context",
  "-n",
  "--namespace",
  "--kubeconfig",
  "-o",
  "--output",
  "--base-image",
  "--agent-image",
  "--container",
  "--env-file",
  "--intercept",
];

/** What a word is the name of. */
type Kind = "context" | "namespace" | "service" | "intercept" | "domain";

/**
 * Names that the daemon knows, for the word that a shell is about to complete: contexts, namespaces, Services, intercepts, domains.
 * Without a daemon there are none.
 * @param argv what a shell's script runs: "completion", the shell, and the words so far
 */
export async function liveSuggestions(
  argv: readonly string[],
  parts: Pick<CliParts, "stateFolder" | "release">,
): Promise<Suggestion[]> {
  const [command, shell, ...words] = argv;
  if (command !== "completion" || shell === undefined) return [];
  const typed = words.at(-1) ?? "";
  const kind = kindOf(words.slice(0, -1));
  if (kind === undefined) return [];
  const { stateFolder, release } = parts;
  try {
    const signal = AbortSignal.timeout(ASK_TIMEOUT_MS);
    const daemon = await ControlClient.connect({ stateFolder, release, signal });
    const names = daemon ? new Set(await namesOf(kind, daemon)) : [];
    return [...names].filter((name) => name.startsWith(typed)).map((text) => ({ kind: "literal", text }));
  } catch {
    return []; // a shell has no place for an error
  }
}

/** What the word after these is; undefined where the daemon knows no such names. */
export function kindOf(words: readonly string[]): Kind | undefined {
  const last = words.at(-1);
  if (last === "--context") return "context";
  if (last === "-n" || last === "--namespace") return "namespace";
  const [first, ...more] = words.filter((word, i) =>
    !word.startsWith("-") && !valued.includes(words[i - 1] ?? "")
  );
  if (["intercept", "explain", "run", "env"].includes(first ?? "") && more.length === 0) return "service";
  if (first === "leave" && more.length === 0) return "intercept";
  if (first !== "dns") return undefined;
  if (more[0] === "remove" && more.length === 1) return "domain";
  return more[0] === "add" && more.length === 2 ? "service" : undefined;
}

async function namesOf(kind: Kind, daemon: ControlClient): Promise<string[]> {
  switch (kind) {
    case "context":
      return (await daemon.ask("status")).clusters.map(({ cluster }) => cluster.context);
    case "namespace":
      return (await daemon.ask("services")).map(({ namespace }) => namespace);
    case "service":
      return (await daemon.ask("services")).map(({ name, namespace }) => `${name}.${namespace}`);
    case "intercept":
      return (await daemon.ask("intercepts")).map(({ id }) => id);
    case "domain":
      return (await daemon.ask("names")).flatMap(({ custom, name }) => custom ? [name] : []);
  }
}
