import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { argument, flag, option } from "@optique/core/primitives";
import type { InterceptEntry } from "../../wire/control.ts";
import { connectedContext, inNamespace } from "../cluster_options.ts";
import { define } from "../command.ts";
import type { ControlClient } from "../control_client.ts";
import { failure } from "../failure.ts";
import type { Cli } from "../session.ts";
import { formatService, namespace, portOfService, type ServicePort, servicePort } from "../values.ts";

/** Which intercepts to end. */
type Which = { readonly all: true } | {
  readonly service: ServicePort;
  readonly namespace: string | undefined;
};

const one: Parser<"sync", Which, unknown> = object({
  service: argument(servicePort(), {
    description: message`Service, with its port if several are intercepted.`,
  }),
  namespace: optional(
    option("-n", "--namespace", namespace(), { description: message`End it in this namespace alone.` }),
  ),
});
const all: Parser<"sync", Which, unknown> = map(
  flag("--all", { description: message`End every intercept of this machine.` }),
  () => ({ all: true } as const),
);

export const leave = define({
  words: "leave",
  usage: "(SERVICE[.NS][:PORT] | --all)",
  brief: "End an intercept",
  description:
    "Ends intercepts: the Service's pods answer again. An id that the list shows ends that intercept " +
    "alone. Without any it is no error.",
  examples: [
    ["pmz leave echo", "all ports of echo"],
    ["pmz leave echo.shop:80", "one port"],
    ["pmz leave echo -n shop", "all ports of echo in namespace shop"],
    ["pmz leave echo.shop:80/kfjapmbc", "one of several personal intercepts, as the list names it"],
    ["pmz leave dns.shop:53/udp", "a UDP port whose number TCP has too"],
    ["pmz leave echo/mine", "the one of this machine's own connections"],
    ["pmz leave --all", "all intercepts of this machine"],
  ],
  options: object({ which: or(one, all), context: connectedContext }),
  data: true,
  run: (cli, { which, context }) =>
    leaveThose(cli, "all" in which ? undefined : { context, ...inOneNamespace(which) }),
});

/** The original's form. */
export const interceptDelete = define({
  words: "intercept delete",
  original: true,
  usage: "-s SERVICE",
  brief: "End an intercept, as leave does",
  examples: [["pmz intercept delete -s echo", "the same as: pmz leave echo"]],
  options: object({
    service: option("-s", "--service", servicePort(), { description: message`Service to leave.` }),
    namespace: inNamespace,
    port: optional(option("-p", "--port", portOfService(), { description: message`Port of the Service.` })),
    context: connectedContext,
  }),
  data: true,
  run: (cli, { service, namespace, port, context }) =>
    leaveThose(cli, { port, context, ...inOneNamespace({ service, namespace }) }),
});

/** The Service that is meant, with the namespace that either way names. @throws {CliFailure} where they differ */
function inOneNamespace(
  { service, namespace }: { readonly service: ServicePort; readonly namespace: string | undefined },
): ServicePort {
  if (namespace === undefined) return service;
  if (service.namespace !== undefined && service.namespace !== namespace) {
    throw failure(
      "usage",
      `two namespaces are given: ${service.namespace} and ${namespace}`,
      "leave out one of them",
    );
  }
  return { ...service, namespace };
}

/** What an intercept has to match; undefined fields match any. */
interface Wanted {
  readonly service: string;
  readonly namespace?: string | undefined;
  readonly port?: string | undefined;
  readonly rule?: string | undefined;
  readonly context?: string | undefined;
}

async function leaveThose(cli: Cli, wanted: Wanted | undefined): Promise<void> {
  const daemon = await cli.runningDaemon();
  const there = daemon ? await daemon.ask("intercepts") : [];
  const meant = daemon && wanted ? await choose(daemon, there, wanted) : there;
  const left: InterceptEntry[] = [];
  for (const { id } of meant) {
    if (!daemon) break;
    const entry = await cli.follow(daemon, "leave", { id });
    cli.terminal.print(`${entry.id}: ended, ${entry.mine ? "the cluster answers" : "its pods answer"} again`);
    left.push(entry);
  }
  cli.terminal.json("InterceptList", { items: left });
  if (left.length > 0) return;
  const others = there.length === 0 ? "" : `; intercepted: ${there.map(({ id }) => id).join(", ")}`;
  cli.terminal.print(
    wanted
      ? `${formatService(wanted)}: was not intercepted, nothing changed${others}`
      : "no intercepts, nothing changed",
  );
}

/**
 * The intercepts that are meant: one alone by its id. Without a namespace that's the connection's own if one is there, else the only
 * namespace in which a Service of that name is intercepted.
 */
async function choose(
  daemon: ControlClient,
  there: readonly InterceptEntry[],
  wanted: Wanted,
): Promise<readonly InterceptEntry[]> {
  const alike = there.filter((entry) =>
    entry.service === wanted.service &&
    (wanted.namespace === undefined || entry.namespace === wanted.namespace) &&
    (wanted.port === undefined || entry.portName === wanted.port || String(entry.port) === wanted.port) &&
    (wanted.rule === undefined || ruleOf(entry) === wanted.rule) &&
    (wanted.context === undefined || entry.cluster === wanted.context)
  );
  const isWholeId = wanted.namespace !== undefined && wanted.port !== undefined && wanted.rule === undefined;
  const whole = isWholeId ? alike.filter((entry) => ruleOf(entry) === undefined) : [];
  if (whole.length === 1) return whole;
  const places = new Set(alike.map((entry) => `${entry.namespace}@${entry.cluster}`));
  if (places.size <= 1) return alike;
  const { clusters } = await daemon.ask("status");
  const own = alike.filter((entry) =>
    clusters.some(({ cluster }) => cluster.context === entry.cluster && cluster.namespace === entry.namespace)
  );
  if (new Set(own.map((entry) => `${entry.namespace}@${entry.cluster}`)).size === 1) return own;
  const ids = alike.map(({ id }) => id).join(", ");
  throw failure(
    "usage",
    `${wanted.service} is intercepted more than once: ${ids}`,
    `name one: pmz leave ${alike[0]?.id}`,
  );
}

/** What follows the first "/" in an intercept's id: "udp", the end of a personal rule's name, or both. */
function ruleOf({ id }: InterceptEntry): string | undefined {
  return /^[^@/]*\/([a-z/]+)/.exec(id)?.[1];
}
