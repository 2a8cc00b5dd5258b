import { object } from "@optique/core/constructs";
import { message, value } from "@optique/core/message";
import { argument } from "@optique/core/primitives";
import type { ValueParser } from "@optique/core/valueparser";
import { type Hop, hopNames, verdictOf } from "../../wire/explain.ts";
import { kubeconfig } from "../cluster_options.ts";
import { define } from "../command.ts";
import type { ControlClient } from "../control_client.ts";
import { type ExplainTarget, parseExplainTarget } from "../explain_target.ts";
import { type CliFailure, failure } from "../failure.ts";
import { findSudo } from "../sudo.ts";
import { askServedNames } from "../served_names.ts";
import type { Cli } from "../session.ts";
import { valueOf } from "../values.ts";

/** What `pmz up` needs: it can be looked at without a connection to a cluster. */
const LOCAL_CHECKS = [
  "platform",
  "kernel",
  "tun",
  "name-service",
  "nameservers",
  "kubeconfig",
  "api-proxy",
  "api-server",
  "rights",
  "daemon",
  "helper",
] as const;
/** Of these, what is right is shown, too. */
const SHOWN: readonly string[] = ["name-service", "kubeconfig", "api-proxy", "api-server"];

function target(): ValueParser<"sync", ExplainTarget> {
  return valueOf(
    "HOST[:PORT]",
    { host: "echo.default.svc", protocol: "tcp" },
    parseExplainTarget,
    ({ host }) => host,
    (input) =>
      message`${
        value(input)
      } is not a valid host and port: expected one such as echo.default.svc:80, 10.96.0.7:80 or http://echo.default.svc/.`,
  );
}

export const explain = define({
  words: "explain",
  usage: "HOST[:PORT]",
  brief: "Explain what becomes of a connection",
  description:
    "Follows what would become of a connection of your programs, hop by hop: whose the name is, what programs get for it, port " +
    "and endpoints, whether this machine hands it to pmz, intercepts, the tunnel, and the gateway's dial. Says what is wrong and " +
    "what to do. Exit code 0 when it would work, 1 when not. Without a port, the first one of the Service. While pmz isn't up, says what keeps it from coming up.",
  examples: [
    ["pmz explain echo.default.svc", "a Service's first port"],
    ["pmz explain http://echo.default.svc:8080/", "what a URL leads to"],
    ["pmz explain 10.96.12.7:5432", "an address"],
    ["pmz explain dns.shop:53/udp", "a UDP port"],
    ["pmz explain db.shop:5432 -o json", "for scripts"],
  ],
  options: object({
    target: argument(target(), {
      description: message`A name, an address or a URL; /udp after the port for UDP.`,
    }),
    kubeconfig,
  }),
  data: true,
  async run(cli, { target, kubeconfig }) {
    const daemon = await cli.runningDaemon();
    const isUp = daemon && (await daemon.ask("status")).clusters.length > 0;
    if (!isUp) throw await explainLocally(cli, target, kubeconfig);
    const hops = await explained(cli, daemon, target, kubeconfig);
    const { works, because } = verdictOf(hops.all);
    cli.terminal.json("Explanation", {
      works,
      target: hops.target,
      ...because && { verdict: { hop: because.hop, saw: because.saw, remedy: because.remedy } },
      hops: hops.all,
    });
    for (const hop of hops.all) printHop(cli, hop);
    if (!works) {
      throw failure(
        "unsound",
        `a connection to ${hops.target} doesn't work: ${because?.saw}`,
        because?.remedy,
      );
    }
    if (because) {
      cli.terminal.warn(`a connection to ${hops.target} works, but: ${because.saw}`, because.remedy);
    } else cli.terminal.tell({ text: `a connection to ${hops.target} works`, style: "green" });
  },
});

/** The daemon's hops, with what this shell alone knows. */
async function explained(
  cli: Cli,
  daemon: ControlClient,
  { host, port, protocol }: ExplainTarget,
  file: string | undefined,
): Promise<{ readonly target: string; readonly all: readonly Hop[] }> {
  const started = performance.now();
  const found = await cli.parts.lookup(host, cli.signal);
  const { kubeconfig, environment } = await cli.choice({ kubeconfig: file });
  const { target, hops } = await daemon.ask("explain", {
    host,
    protocol,
    ...port === undefined ? {} : { port },
    ...found && {
      lookup: {
        addresses: found === "late" ? [] : found,
        isLate: found === "late",
        ms: Math.round(performance.now() - started),
      },
    },
    ...kubeconfig === undefined ? {} : { kubeconfig },
    ...environment === undefined ? {} : { environment },
  });
  // A proxy of the shell's matters only for what is the cluster's.
  if (hops[0]?.level === "failed") return { target, all: hops };
  const warnings = await cli.parts.shellWarnings(() => askServedNames(daemon));
  const own = warnings.map(({ message, hint = "env | grep -i proxy" }): Hop => ({
    hop: "proxy",
    level: "warning",
    saw: message,
    remedy: hint,
  }));
  const place = ({ hop }: Hop) => hopNames.indexOf(hop);
  return { target, all: [...hops, ...own].sort((a, b) => place(a) - place(b)) };
}

const WIDTH = Math.max(...hopNames.map((name) => name.length));
const styles = { ok: "green", warning: "yellow", failed: "red", skipped: "dim" } as const;

function printHop({ terminal }: Cli, hop: Hop): void {
  const time = hop.ms === undefined ? "" : ` (${hop.ms} ms)`;
  terminal.print({ text: hop.hop.padEnd(WIDTH), style: styles[hop.level] }, `  ${hop.saw}${time}`);
  if ("remedy" in hop) terminal.print(" ".repeat(WIDTH), { text: "  hint:", style: "dim" }, ` ${hop.remedy}`);
}

/** Says what can be told without a connection. @returns why there is no more */
async function explainLocally(
  cli: Cli,
  { host }: ExplainTarget,
  kubeconfig: string | undefined,
): Promise<CliFailure> {
  const { parts, terminal, signal } = cli;
  const [found, checks] = await Promise.all([
    parts.lookup(host, signal),
    parts.doctor(
      {
        only: LOCAL_CHECKS,
        ...await cli.choice({ kubeconfig }),
        release: parts.release,
        stateFolder: parts.stateFolder,
        env: parts.env,
        sudo: () => findSudo(cli),
        daemon: () => Promise.resolve({ state: "none" }),
      },
      () => {},
      signal,
    ),
  ]);
  const addresses = found === "late" ? undefined : found;
  const width = Math.max(...["programs", ...LOCAL_CHECKS].map((name) => name.length));
  terminal.json("Explanation", { works: false, up: false, target: host, addresses: addresses ?? [], checks });
  if (found) {
    const got = found === "late" ? "no answer" : found.length === 0 ? "no address" : found.join(", ");
    terminal.print("programs".padEnd(width), `  without pmz, programs get ${got} for ${host}`);
  }
  const findings = checks.flatMap(({ id, findings }) => findings.map((finding) => ({ id, ...finding })));
  for (const finding of findings) {
    const { id, level, saw } = finding;
    if (level === "skipped" || level === "ok" && !SHOWN.includes(id)) continue;
    terminal.print({ text: id.padEnd(width), style: styles[level] }, `  ${saw}`);
    if ("remedy" in finding) {
      terminal.print(" ".repeat(width), { text: "  hint:", style: "dim" }, ` ${finding.remedy}`);
    }
  }
  for (const finding of findings) {
    if (finding.level !== "failed") continue;
    return failure("not-up", `pmz is not up, and can't come up: ${finding.saw}`, finding.remedy);
  }
  return failure("not-up", "pmz is not up, so no more can be told", "run: pmz up");
}
