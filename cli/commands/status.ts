import { object } from "@optique/core/constructs";
import { type ClusterStatus, controlFiles, type Status } from "../../wire/control.ts";
import { servedNames } from "../../wire/doctor.ts";
import { formatFlow } from "../../wire/flow.ts";
import { type NetworkDamage, networkPartNames } from "../../wire/helper.ts";
import { namedAddresses } from "../../wire/unreachable.ts";
import { namedVirtual } from "../../wire/virtual.ts";
import { insideWords } from "../../wire/inside.ts";
import { define } from "../command.ts";
import { failure } from "../failure.ts";
import type { Cli } from "../session.ts";
import { formatWhen } from "../flow_lines.ts";
import { warnOfIntercepts } from "../intercept_warnings.ts";
import { formatDuration } from "../terminal.ts";

export const status = define({
  words: "status",
  brief: "Show connections, intercepts and recent failures",
  description:
    "Shows the connected clusters, their tunnels, your intercepts, and the last connections that failed, without " +
    "those that their clients reset, which `pmz flows --failed` lists, too. Exit code 3 if no daemon runs.",
  examples: [
    ["pmz status", "for people"],
    ["pmz status -o json", 'for scripts; without a daemon "up" is false'],
  ],
  options: object({}),
  data: true,
  async run(cli) {
    const daemon = await cli.runningDaemon();
    if (!daemon) {
      cli.terminal.json("Status", { up: false });
      throw failure("not-up", "pmz is not up", "run: pmz up");
    }
    const said = await daemon.ask("status");
    const isCaptured = said.clusters.some(({ mode }) => mode === "capture");
    const status: Status = {
      ...said,
      warnings: [
        ...said.warnings,
        ...isCaptured
          ? await cli.parts.shellWarnings(async () => servedNames(said, await daemon.ask("names")))
          : [],
      ],
    };
    cli.terminal.json("Status", { up: status.clusters.length > 0, ...status });
    printStatus(cli, status);
  },
});

function printStatus({ terminal, parts }: Cli, status: Status): void {
  const now = parts.now?.() ?? Date.now();
  const since = formatDuration(Math.max(0, now - Date.parse(status.since)));
  const { helper } = status;
  terminal.table([
    ["daemon", `pmz ${status.release}, process ${status.pid}, up for ${since}`],
    ["log", `${parts.stateFolder}/${controlFiles.log}`],
    [
      "helper",
      helper.state === "none"
        ? "none"
        : `connected, ${helper.routes} addresses captured, from ${helper.address}`,
    ],
    ...helper.state === "none" ? [] : [["inside", insideWords(helper.also)]],
    ...(helper.state === "none" ? [] : helper.damage ?? []).filter(({ problem }) => problem === undefined)
      .map((damage) => ["", repairedOf(damage, now)]),
    ...(status.proxy === undefined ? [] : [["proxy", `${status.proxy}, SOCKS5 and HTTP`]]),
    ...(status.clusters.length === 0 ? [["clusters", "none: run pmz up"]] : []),
  ]);
  for (const cluster of status.clusters) {
    terminal.print("");
    terminal.print({ text: cluster.cluster.context, style: "bold" });
    terminal.table(rowsOf(cluster, now));
  }
  if (status.intercepts.length > 0) {
    terminal.print("");
    const rows = status.intercepts.map((
      entry,
    ) => [entry.id, entry.local, entry.mine ? "none" : `${entry.pods.ready} of ${entry.pods.all}`]);
    terminal.table(rows, ["INTERCEPT", "LOCAL", "PODS"]);
  }
  if (status.failures.length > 0) {
    terminal.print("");
    terminal.print(
      { text: "recent failures", style: "bold" },
      " (without those that their clients reset: pmz flows --failed)",
    );
    terminal.table(status.failures.map((flow) => [`  ${formatWhen(flow, now)}`, formatFlow(flow)]));
  }
  warnOfIntercepts(terminal, status.intercepts, now);
  for (const { message, hint } of status.warnings) terminal.warn(message, hint);
}

/** What another program has changed, and pmz has put right. */
function repairedOf({ part, repaired, last }: NetworkDamage, now: number): string {
  const ago = `${formatDuration(Math.max(0, now - last))} ago`;
  const when = repaired === 1 ? ago : `${repaired} times, the last time ${ago}`;
  return `another program changed its ${networkPartNames[part]} ${when}: put right`;
}

function rowsOf(
  {
    cluster,
    mode,
    tunnel,
    roundTripMs,
    services,
    answering,
    openStreams,
    limits,
    acceptedRanges,
    virtual = { count: 0, first: [] },
    unreachable,
  }: ClusterStatus,
  now: number,
): string[][] {
  const trip = roundTripMs === undefined ? "" : `, round trip ${formatDuration(roundTripMs)}`;
  return [
    ["  server", cluster.server],
    ["  namespace", cluster.namespace],
    ["  user", cluster.user],
    ["  mode", mode],
    mode === "intercept"
      ? ["  tunnel", "none: only intercepts are connected (to connect your programs: pmz up)"]
      : tunnel.state === "connected"
      ? [
        "  tunnel",
        `connected to ${tunnel.pod} for ${
          formatDuration(Math.max(0, now - Date.parse(tunnel.since)))
        }${trip}`,
      ]
      : ["  tunnel", `connecting: ${tunnel.why}`],
    ["  services", answering === services ? String(services) : `${services}, ${answering} of them answer`],
    ["  open", openStreams === 1 ? "1 connection" : `${openStreams} connections`],
    ...limits.map((limit) => ["  limited", limit]),
    ...acceptedRanges.map((
      range,
    ) => [
      "  accepted",
      `${range} (to take it back: pmz up --context ${cluster.context} --forget-range ${range})`,
    ]),
    ...[...Map.groupBy(virtual.first, ({ why }) => why)].flatMap(([why, group]) => [
      ["  virtual", `${namedVirtual(group)}: ${why}`],
      ...(group[0]?.remedy === undefined ? [] : [["", group[0].remedy]]),
    ]),
    ...(virtual.count > virtual.first.length
      ? [["  virtual", `${virtual.count - virtual.first.length} more addresses`]]
      : []),
    ...[...Map.groupBy(unreachable.first, ({ why }) => why)].flatMap(([why, group]) => [
      ["  unreachable", `${namedAddresses(group)}: ${why}`],
      ...(group[0]?.remedy === undefined ? [] : [["", group[0].remedy]]),
    ]),
    ...(unreachable.count > unreachable.first.length
      ? [["  unreachable", `${unreachable.count - unreachable.first.length} more addresses`]]
      : []),
  ];
}
