/** What the daemon answers, as the page shows it. */
import { type Flow, formatCaller, formatOutcome, formatTarget, isFailure } from "../wire/flow.ts";
import type {
  ClusterStatus,
  ForeignRule,
  InterceptEntry,
  NameEntry,
  ServiceEntry,
  Status,
} from "../wire/control.ts";
import { carriedWords } from "../cli/flow_lines.ts";
import { requestWords } from "../cli/request_words.ts";
import { warnOfIntercepts } from "../cli/intercept_warnings.ts";
import { matchWords, othersWords, takesWords } from "../cli/match_words.ts";
import { protectedBy } from "../cli/protection.ts";
import { shortened } from "../cli/shortened.ts";
import { namedAddresses } from "../wire/unreachable.ts";
import type {
  ClusterView,
  DirectoryView,
  FlowsView,
  FlowView,
  InterceptsView,
  InterceptView,
  NoticeView,
  ServicesView,
  ServiceView,
  StatusView,
} from "./views.ts";

/** Flows that are shown of each kind, and Services of one answer. */
export const MOST_FLOWS = 100;
export const MOST_SERVICES = 100;
/** Services of other people's intercepts that are shown. */
const MOST_OTHERS = 50;
/** Rules of such a Service that are shown. */
const MOST_RULES = 20;

/** @param protect the patterns of contexts that the settings protect */
export function statusView(status: Status, protect: readonly string[]): StatusView {
  return {
    release: status.release,
    since: Date.parse(status.since),
    ...(status.proxy === undefined ? {} : { proxy: status.proxy }),
    clusters: status.clusters.map((one) => clusterView(one, protect)),
    warnings: status.warnings.map(notice),
  };
}

function clusterView(one: ClusterStatus, protect: readonly string[]): ClusterView {
  const { cluster, mode, tunnel, services, answering, openStreams, limits, unreachable } = one;
  const pattern = protectedBy(protect, cluster.context);
  const notes: NoticeView[] = [
    ...limits.map((message) => ({ message })),
    ...[...Map.groupBy(unreachable.first, ({ why }) => why)].map(([why, group]) => ({
      message: `${namedAddresses(group)}: ${why}`,
      ...(group[0]?.remedy === undefined ? {} : { hint: group[0].remedy }),
    })),
    ...(unreachable.count > unreachable.first.length
      ? [{ message: `${unreachable.count - unreachable.first.length} more addresses can't be reached` }]
      : []),
    ...(tunnel.state === "connecting" && tunnel.remedy !== undefined && mode !== "intercept"
      ? [{ message: tunnel.why, hint: tunnel.remedy }]
      : []),
  ];
  const shared = {
    ...cluster,
    mode,
    services: answering === services ? String(services) : `${services}, ${answering} of them answer`,
    openStreams,
    notes,
    ...(pattern === undefined ? {} : { protectedBy: pattern }),
  };
  if (mode === "intercept") {
    return { ...shared, state: "idle", detail: "only intercepts are connected" };
  }
  if (tunnel.state === "connecting") return { ...shared, state: "connecting", detail: tunnel.why };
  return {
    ...shared,
    state: "connected",
    detail: tunnel.pod,
    since: Date.parse(tunnel.since),
    ...(one.roundTripMs === undefined ? {} : { roundTripMs: one.roundTripMs }),
  };
}

/** @param now milliseconds since 1970, for "for 3 min now" */
export function interceptsView(entries: readonly InterceptEntry[], now: number): InterceptsView {
  return { own: entries.map((entry) => interceptView(entry, now)) };
}

function interceptView(entry: InterceptEntry, now: number): InterceptView {
  const { id, cluster, local, mine, pods, connections, since, until, others, requests } = entry;
  const warnings: NoticeView[] = [];
  warnOfIntercepts({ warn: (message, hint) => void warnings.push(notice({ message, hint })) }, [entry], now);
  return {
    id,
    cluster,
    takes: takesWords(entry),
    local,
    ...(mine ? {} : { pods: `${pods.ready} of ${pods.all} pods` }),
    connections: `${connections.open} open, ${connections.total} in all`,
    ...(requests === undefined ? {} : { requests: requestWords(entry) }),
    since: Date.parse(since),
    ...(until === undefined ? {} : { until: Date.parse(until) }),
    ...(others.length === 0 ? {} : { others: othersWords(entry) }),
    warnings,
  };
}

export function flowsView(flows: readonly Flow[]): FlowsView {
  const open = flows.filter(({ outcome }) => outcome.kind === "open");
  const failed = flows.filter(({ outcome }) => isFailure(outcome));
  const newest = (of: readonly Flow[]) => of.slice(-MOST_FLOWS).map(flowView);
  return {
    open: newest(open),
    failed: newest(failed),
    counts: { open: open.length, failed: failed.length },
  };
}

export function flowView(flow: Flow): FlowView {
  const { id, kind, started, ms, outcome, times } = flow;
  const begun = Date.parse(started);
  const carried = carriedWords(flow);
  return {
    id,
    kind,
    state: outcome.kind === "open" ? "open" : outcome.kind === "done" ? "done" : "failed",
    started: begun,
    ...(ms === undefined ? {} : { ended: begun + ms }),
    from: formatCaller(flow),
    to: formatTarget(flow),
    outcome: formatOutcome(outcome),
    ...(carried === "" ? {} : { bytes: carried }),
    ...(times === undefined ? {} : { times }),
    ...(kind === "intercepted" ? {} : { explain: explained(flow) }),
  };
}

/** As `pmz explain` takes it. */
function explained({ name, to, protocol }: Flow): string {
  return `${name?.startsWith("pod/") ? to : name ?? to}${protocol === "udp" ? "/udp" : ""}`;
}

export function directoryView(
  services: readonly ServiceEntry[],
  names: readonly NameEntry[],
  revision: number,
): DirectoryView {
  const others = services.filter(({ interceptedBy = [] }) => interceptedBy.length > 0);
  return {
    services: services.length,
    revision,
    domains: names.filter(({ custom }) => custom).map(({ name, target, addresses, cluster }) => ({
      name,
      target,
      addresses: shortened(addresses) || "no address yet",
      cluster,
    })),
    others: others.slice(0, MOST_OTHERS).map(({ name, namespace, cluster, foreignRules = [] }) => ({
      service: `${name}.${namespace}`,
      cluster,
      rules: foreignRules.slice(0, MOST_RULES).map(foreignWords),
    })),
    otherCount: others.length,
  };
}

function foreignWords({ user, port, protocol, match }: ForeignRule): string {
  return `${user} takes ${matchWords(match)} of port ${port}${protocol === undefined ? "" : "/udp"}`;
}

/** The Services that have each word of `filter` in their name, address, port or cluster. */
export function servicesView(entries: readonly ServiceEntry[], filter: string): ServicesView {
  const words = filter.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const matching = entries.filter((entry) => {
    const text = searched(entry);
    return words.every((word) => text.includes(word));
  });
  return {
    all: entries.length,
    matching: matching.length,
    items: matching.slice(0, MOST_SERVICES).map(serviceView),
  };
}

function searched({ hostname, cluster, addresses, ports, type }: ServiceEntry): string {
  const named = ports.map(({ port, name = "" }) => `${port} ${name}`);
  return [hostname, cluster, type, ...addresses, ...named].join(" ").toLowerCase();
}

function serviceView(entry: ServiceEntry): ServiceView {
  const { cluster, namespace, name, hostname, addresses, externalName, ports, type, intercepted } = entry;
  return {
    cluster,
    namespace,
    name,
    hostname,
    addresses: shortened(addresses) || externalName || "",
    ports: ports.map(({ port, name, protocol }) => ({
      port,
      ...(name === undefined ? {} : { name }),
      isUdp: protocol === "UDP",
    })),
    type,
    ready: entry.readyEndpoints,
    ...(intercepted === undefined ? {} : { intercepted }),
    interceptedBy: entry.interceptedBy ?? [],
    problems: entry.problems ?? [],
  };
}

function notice(
  { message, hint }: { readonly message: string; readonly hint?: string | undefined },
): NoticeView {
  return hint === undefined ? { message } : { message, hint };
}
