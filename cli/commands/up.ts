import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { multiple, optional } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import type { Mode, UpResult } from "../../wire/control.ts";
import { alias, define } from "../command.ts";
import { type Interruption, undone } from "../interruption.ts";
import {
  contexts,
  imageOptions,
  inNamespace,
  installOptionsOf,
  kubeconfig,
  yes,
} from "../cluster_options.ts";
import { agreeToInstall, sayCluster } from "../consent.ts";
import type { ControlClient } from "../control_client.ts";
import { asFailure, failure } from "../failure.ts";
import { startHelper } from "../root_helper.ts";
import { askServedNames } from "../served_names.ts";
import type { Cli } from "../session.ts";
import type { Settings } from "../settings/settings.ts";
import { formatDuration, type Terminal } from "../terminal.ts";
import { insideWords } from "../../wire/inside.ts";
import { account, cidr, localPort } from "../values.ts";

const options = object({
  contexts,
  kubeconfig,
  namespace: inNamespace,
  proxy: optional(or(
    flag("--proxy", {
      description: message`Serve a SOCKS5 and HTTP proxy instead, without root.`,
    }),
    option("--proxy", localPort(), {
      description: message`Serve it on this port: --proxy=PORT.`,
    }),
  )),
  accepted: multiple(option("--accept-range", cidr(), {
    description: message`Capture it though public or routed elsewhere; repeatable.`,
  })),
  forgotten: multiple(option("--forget-range", cidr(), {
    description: message`Take back what --accept-range said; repeatable.`,
  })),
  never: multiple(option("--never-range", cidr(), {
    description: message`Never capture this range; repeatable.`,
  })),
  also: multiple(option("--also", account(), {
    description: message`Take another account inside; repeatable, not remembered.`,
  })),
  yes,
  ...imageOptions,
});

/** What `pmz up` was asked for. */
interface UpOptions {
  readonly contexts: readonly string[];
  readonly kubeconfig: string | undefined;
  readonly namespace: string | undefined;
  readonly proxy: true | number | undefined;
  readonly accepted: readonly string[];
  readonly forgotten: readonly string[];
  readonly never: readonly string[];
  readonly also: readonly string[];
  readonly yes: boolean;
  readonly baseImage: string | undefined;
  readonly agentImage: string | undefined;
}

export const up = define({
  words: "up",
  brief: "Connect this machine to a cluster",
  description:
    "Connects this machine to a cluster: your programs reach every Service by its name. Names the cluster first, " +
    "asks before it installs anything there, and asks sudo for the one part that needs root. If the cluster is " +
    "connected already, it checks the connection and says so.",
  examples: [
    ["pmz up", "the kubeconfig's current context"],
    ["pmz up --context staging -n shop", "another context; single names are looked up in shop"],
    ["pmz up --context staging --context dev", "two clusters at once"],
    ["pmz up --proxy", "without root: a proxy on 127.0.0.1:1080"],
    ["pmz up --accept-range 10.96.0.0/12", "Services' range that a VPN has a route to; remembered"],
    ["pmz up --never-range 10.20.0.0/16", "addresses that stay this machine's own way"],
    ["pmz up --also root", "what sudo runs reaches the cluster, too"],
    ["pmz up --forget-range 10.96.0.0/12", "the VPN has it again"],
    ["pmz up --proxy=1090 --yes -o json", "in a script"],
  ],
  options,
  data: true,
  interrupted: undone,
  async run(cli, options) {
    const daemon = await cli.startedDaemon();
    const results: UpResult[] = [];
    for (const context of options.contexts.length > 0 ? options.contexts : [undefined]) {
      results.push(await upCluster(cli, daemon, context, options));
    }
    cli.terminal.json("UpList", { items: results });
    if (options.proxy !== undefined) return; // a cluster's names are asked of that proxy then
    for (const { message, hint } of await cli.parts.shellWarnings(() => askServedNames(daemon))) {
      cli.terminal.warn(message, hint);
    }
  },
});

export const connect = alias(up, "connect", "Connect to a cluster, as up does", [[
  "pmz connect",
  "the same as: pmz up",
]]);

/** Once the daemon has answered, nothing is undone any more. */
const done: Interruption = { message: "interrupted: pmz is up", hint: "to disconnect: pmz down" };
/** Of a cluster that was connected before. */
const stays: Interruption = { message: "interrupted: pmz stays up", hint: "to disconnect: pmz down" };

async function upCluster(
  cli: Cli,
  daemon: ControlClient,
  context: string | undefined,
  options: UpOptions,
): Promise<UpResult> {
  const mode: Mode = options.proxy === undefined ? "capture" : "proxy";
  if (mode === "proxy" && options.also.length > 0) {
    throw failure(
      "usage",
      "--also needs the root helper, which --proxy does without",
      "the proxy serves your programs alone",
    );
  }
  const choice = await cli.chosen(daemon, { ...options, context });
  const settings = await cli.settings();
  const ranges = rangesOf(settings, options, mode);
  const plan = await daemon.ask("plan", {
    ...choice,
    ...ranges,
    ...mode === "capture" ? neverRangesOf(settings, options) : {},
    ...mode === "capture" ? alsoOf(settings, options) : {},
    mode,
  });
  sayCluster(cli, plan.cluster);
  for (const { message, hint } of plan.warnings) cli.terminal.warn(message, hint);
  const install = await agreeToInstall(cli, plan, options.yes);
  if (plan.helper) await startHelper(cli, plan.helper);
  const installOptions = installOptionsOf(options, settings);
  if (plan.connected === mode) cli.interrupted = stays;
  else cli.undoneBy((daemon) => daemon.follow("down", { context: plan.cluster.context }, () => {}));
  const result = await cli.follow(
    await cli.startedDaemon(), // it may have ended while the question stood
    "up",
    {
      ...choice,
      ...ranges,
      mode,
      install,
      ...(typeof options.proxy === "number" ? { proxyPort: options.proxy } : {}),
      ...(installOptions === undefined ? {} : { installOptions }),
    },
  );
  cli.signal.throwIfAborted(); // it was said that all is undone
  cli.undoneBy(undefined);
  cli.interrupted = done;
  printResult(cli, result, plan.connected === mode);
  await addNames(cli, daemon, result);
  return result;
}

/** The ranges that the command line and the settings say: both are accepted, but for those that are taken back. */
function rangesOf(settings: Settings, options: UpOptions, mode: Mode) {
  const ofSettings = mode === "capture" ? settings.accepted : []; // a proxy captures nothing
  const accepted = [...new Set([...options.accepted, ...ofSettings])]
    .filter((range) => !options.forgotten.includes(range));
  return {
    ...accepted.length > 0 && { ranges: accepted },
    ...options.forgotten.length > 0 && { forgetRanges: options.forgotten },
  };
}

/** Ranges that are never captured: those of the command line, else those of the settings. */
function neverRangesOf(settings: Settings, { never }: UpOptions): { neverRanges?: readonly string[] } {
  const neverRanges = never.length > 0 ? never : settings.never;
  return neverRanges.length > 0 ? { neverRanges } : {};
}

/** Accounts that are to be inside: those of the command line, else those of the settings. */
function alsoOf(settings: Settings, options: UpOptions): { also?: readonly string[] } {
  const also = [...new Set(options.also.length > 0 ? options.also : settings.also)];
  return also.length > 0 ? { also } : {};
}

/** Gives Services the domains of the settings, as `pmz dns add` does; what can't be added is a warning. */
async function addNames(cli: Cli, daemon: ControlClient, { cluster }: UpResult): Promise<void> {
  for (
    const { domain, service: { service, namespace = cluster.namespace } } of (await cli.settings()).names
  ) {
    try {
      await daemon.ask("addName", { domain, service, namespace, context: cluster.context });
    } catch (error) {
      cli.signal.throwIfAborted();
      cli.terminal.warn(`the domain ${domain} of the settings was not added: ${asFailure(error).message}`);
    }
  }
}

function printResult({ terminal }: Cli, result: UpResult, wasUp: boolean): void {
  const how = result.proxy === undefined ? "by name" : `through the proxy ${result.proxy}`;
  const already = wasUp ? "up already" : "up";
  terminal.print(
    { text: `${already}:`, style: "green" },
    ` ${counted(result.answering, result.services)} of ${result.cluster.context} answer ${how}`,
  );
  if (result.answering < result.services) {
    terminal.tell("        to see which of them have no endpoint, or are not reached: pmz services -A");
  }
  if (result.proxy === undefined) printInside(terminal, result.also);
  if (result.proof) {
    const { service, port, ms } = result.proof;
    terminal.print(`tried: ${service}:${port} accepted a connection in ${formatDuration(ms)}`);
  } else if (result.candidates > 0) {
    terminal.print("tried: no Service accepted a connection, as the warnings say");
  } else {
    terminal.print(
      `tried: nothing, since no TCP Service of namespace ${result.cluster.namespace} is reached and has pods that answer`,
    );
  }
  const through = result.proxy === undefined ? "" : `--proxy socks5h://${result.proxy} `;
  result.try.slice(0, 3).forEach(({ name, port, http, scheme = http ? "http" : undefined }, i) => {
    const label = i === 0 ? "try:   " : "       ";
    const authority = port === (scheme === "https" ? 443 : 80) ? name : `${name}:${port}`;
    const insecure = scheme === "https" ? "-k " : ""; // its certificate is rarely for this name
    terminal.tell(
      scheme ? `${label}curl ${through}${insecure}${scheme}://${authority}/` : `${label}${name}:${port}`,
    );
  });
}

function printInside(terminal: Terminal, also: readonly string[] | undefined): void {
  const hint = also?.includes("root") ? "" : " (to have those of sudo inside: pmz up --also root)";
  terminal.tell(`inside: ${insideWords(also)}${hint}`);
}

/** "5 Services", or "4 of 5 Services" where not all do. */
function counted(some: number, all: number): string {
  return `${some === all ? "" : `${some} of `}${all} Service${all === 1 ? "" : "s"}`;
}
