import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import type { Parser } from "@optique/core/parser";
import { connectedContext } from "../cluster_options.ts";
import { unreachableWarnings } from "../../wire/unreachable.ts";
import { namedVirtual } from "../../wire/virtual.ts";
import type { ServiceEntry } from "../../wire/control.ts";
import { define } from "../command.ts";
import { shortened } from "../shortened.ts";
import { namespace } from "../values.ts";

/** Which namespaces: one, all, or each connection's own. */
type Where = { readonly all: true } | { readonly namespace: string } | undefined;

const where: Parser<"sync", Where, unknown> = optional(or(
  map(
    flag("-A", "--all-namespaces", { description: message`List every namespace.` }),
    () => ({ all: true } as const),
  ),
  map(
    option("-n", "--namespace", namespace(), { description: message`List this namespace.` }),
    (namespace) => ({ namespace }),
  ),
));

/** An address as it is dialled; a virtual one with what it stands for: "198.19.0.3 (10.96.0.7)". */
function withOwn(address: string, { virtual = [] }: ServiceEntry): string {
  const own = virtual.find((one) => one.virtual === address)?.address;
  return own === undefined ? address : `${address} (${own})`;
}

/** Problems that are told below the table; more are counted. */
const NOTED = 10;

export const services = define({
  words: "services",
  brief: "List Services with their addresses and ports",
  description: "Lists the Services of a namespace; without an option, that of the connection.",
  examples: [
    ["pmz services", "the connection's namespace"],
    ["pmz services -A", "all namespaces"],
    ["pmz services -n shop -o json", "one namespace, for scripts"],
  ],
  options: object({ where, context: connectedContext }),
  data: true,
  async run(cli, { where, context }) {
    const daemon = await cli.daemon();
    const own = new Map<string, string>();
    if (where === undefined) {
      const { clusters } = await daemon.ask("status");
      for (const { cluster } of clusters) own.set(cluster.context, cluster.namespace);
    } else if (context !== undefined) {
      await cli.connected(daemon, context);
    }
    const entries = (await daemon.ask("services")).filter((entry) => {
      if (context !== undefined && entry.cluster !== context) return false;
      if (where === undefined) return own.get(entry.cluster) === entry.namespace;
      return "all" in where || entry.namespace === where.namespace;
    });
    cli.terminal.json("ServiceList", { items: entries });
    if (entries.length === 0) {
      return cli.terminal.print("there are no Services here; to list every namespace: pmz services -A");
    }
    const several = new Set(entries.map((entry) => entry.cluster)).size > 1;
    cli.terminal.table(
      entries.map((entry) => [
        entry.hostname,
        shortened(entry.addresses.map((one) => withOwn(one, entry))) || entry.externalName || "-",
        entry.ports.map(({ port, name, protocol }) =>
          `${port}${name ? `(${name})` : ""}${protocol === "TCP" ? "" : `/${protocol.toLowerCase()}`}`
        ).join(",") || "-",
        entry.type,
        String(entry.readyEndpoints),
        [entry.intercepted, ...(entry.interceptedBy ?? []).map((user) => `by ${user}`)].filter(Boolean).join(
          ", ",
        ),
        ...(several ? [entry.cluster] : []),
      ]),
      ["NAME", "ADDRESS", "PORTS", "TYPE", "READY", "INTERCEPTED", ...(several ? ["CLUSTER"] : [])],
    );
    const virtual = entries.flatMap(({ cluster, virtual = [] }) =>
      virtual.map((one) => ({ cluster, ...one }))
    );
    const alike = Map.groupBy(virtual, ({ cluster, why, remedy }) => JSON.stringify([cluster, why, remedy]));
    for (const group of alike.values()) {
      const [first] = group;
      const of = several && first ? ` (${first.cluster})` : "";
      cli.terminal.note(`${namedVirtual(group)}${of}, by virtual addresses: ${first?.why}`);
      if (first?.remedy !== undefined) cli.terminal.note(first.remedy);
    }
    for (
      const { message, hint } of unreachableWarnings(entries.flatMap(({ unreachable = [] }) => unreachable))
    ) {
      cli.terminal.warn(message, hint);
    }
    const accepted = new Set(
      entries.flatMap(({ cluster, acceptedRange }) =>
        acceptedRange === undefined ? [] : [
          `${acceptedRange} was accepted for ${cluster} (to take it back: pmz up --context ${cluster} --forget-range ${acceptedRange})`,
        ]
      ),
    );
    for (const note of accepted) cli.terminal.note(note);
    const problems = entries.flatMap(({ hostname, problems = [] }) =>
      problems.map((problem) => `${hostname}: ${problem}`)
    );
    for (const problem of problems.slice(0, NOTED)) cli.terminal.note(problem);
    if (problems.length > NOTED) {
      cli.terminal.note(`${problems.length - NOTED} more are told by: pmz services -o json`);
    }
  },
});
