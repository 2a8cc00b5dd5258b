import type { Suggestion } from "@optique/core/parser";
import type { ServiceEntry } from "../wire/control.ts";
import { ControlClient } from "./control_client.ts";
import type { CliParts } from "./parts.ts";
import { type SoughtWord, soughtWord } from "./sought_word.ts";
import { parseServiceName } from "./values.ts";

/** A shell waits for this long at most, in milliseconds. */
const ASK_TIMEOUT_MS = 1_000;

/**
 * Names for the word that a shell is about to complete: contexts of the kubeconfig, and what the daemon knows: connected contexts,
 * namespaces, Services, their ports, intercepts, domains. Where nothing is known there are none.
 * @param argv what a shell's script runs: "completion", the shell, and the words so far
 */
export async function liveSuggestions(
  argv: readonly string[],
  parts: Pick<CliParts, "stateFolder" | "release" | "env" | "contexts">,
): Promise<Suggestion[]> {
  const [command, shell, ...words] = argv;
  if (command !== "completion" || shell === undefined) return [];
  try {
    const sought = soughtWord(words);
    if (!sought) return [];
    const names = new Set(await namesOf(sought, parts));
    return [...names].filter((name) => name.startsWith(sought.typed))
      .map((name) => ({ kind: "literal", text: `${sought.before}${name}` }));
  } catch {
    return []; // a shell has no place for an error
  }
}

async function namesOf(
  sought: SoughtWord,
  parts: Pick<CliParts, "stateFolder" | "release" | "contexts">,
): Promise<string[]> {
  if (sought.kind === "context") return [...await parts.contexts()];
  const { stateFolder, release } = parts;
  const signal = AbortSignal.timeout(ASK_TIMEOUT_MS);
  const daemon = await ControlClient.connect({ stateFolder, release, signal });
  if (!daemon) return [];
  switch (sought.kind) {
    case "connected":
      return (await daemon.ask("status")).clusters.map(({ cluster }) => cluster.context);
    case "namespace":
      return (await daemon.ask("services")).filter(isOf(sought)).map(({ namespace }) => namespace);
    case "service":
      return (await daemon.ask("services")).filter(isOf(sought)).flatMap(({ name, namespace }) =>
        sought.namespace === undefined
          ? [`${name}.${namespace}`]
          : sought.namespace === namespace
          ? [name]
          : []
      );
    case "port":
      return await portsOf(sought, daemon);
    case "intercept":
      return (await daemon.ask("intercepts"))
        .filter(({ namespace }) => sought.namespace === undefined || sought.namespace === namespace)
        .map(({ id }) => id);
    case "domain":
      return (await daemon.ask("names")).flatMap(({ custom, name }) => custom ? [name] : []);
  }
}

/** Names and numbers of the ports of a Service. */
async function portsOf(sought: SoughtWord, daemon: ControlClient): Promise<string[]> {
  const meant = parseServiceName(sought.service ?? "");
  if (!meant) return [];
  const { clusters } = await daemon.ask("status");
  const own = clusters.map(({ cluster }) => cluster.namespace);
  const isNamed = ({ namespace }: ServiceEntry) => {
    const said = meant.namespace ?? sought.namespace;
    return said === undefined ? own.includes(namespace) : said === namespace;
  };
  const services = (await daemon.ask("services")).filter(isOf(sought));
  return services.filter((service) => service.name === meant.service && isNamed(service))
    .flatMap(({ ports }) => ports.flatMap(({ port, name }) => name ? [name, String(port)] : [String(port)]));
}

function isOf({ context }: SoughtWord): (service: ServiceEntry) => boolean {
  return ({ cluster }) => context === undefined || context === cluster;
}
