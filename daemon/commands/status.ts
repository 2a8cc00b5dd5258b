import type {
  ClusterStatus,
  CustomName,
  InterceptEntry,
  NameCounts,
  NameEntry,
  ServiceEntry,
  Status,
} from "../../wire/control.ts";
import type { NamesStats } from "../../names/protocol.ts";
import type { ZoneData } from "../../names/zone/zone_data.ts";
import { answering } from "./answering.ts";
import { tunnelHop } from "./explain/cluster_hops.ts";
import { rulesOf } from "../intercepts/foreign_rules.ts";
import type { InterceptRule } from "../../wire/intercept.ts";
import { serviceEntries } from "../discovery/entries.ts";
import { hintWhereElse } from "../discovery/where_else.ts";
import { nameEntries } from "../discovery/name_entries.ts";
import type { RuleCounts } from "../../dataplane/plane.ts";
import type { ClusterRegistry } from "../clusters/registry.ts";
import type { Cluster } from "../clusters/cluster.ts";
import { lastFailures } from "./flows.ts";
import { Failure } from "../failure.ts";
import { nameWarnings } from "./name_warnings.ts";
import { warnings } from "./warnings.ts";
import type { OwnIntercept } from "../intercepts/cluster_redirects.ts";

/** An intercept, what stands for it, and whose it is. */
export interface FoundIntercept {
  readonly cluster: Cluster;
  /** What stands for one of this laptop's own connections alone. */
  readonly own?: OwnIntercept;
  readonly entry: InterceptEntry;
  /** Ends it. */
  readonly end: () => void | Promise<void>;
}

/** The cluster of a custom name's Service. @throws {Failure} `not-found`, `not-up` */
export function clusterOf(clusters: ClusterRegistry, name: CustomName): Cluster {
  if (clusters.all.length === 0) {
    throw new Failure("not-up", "pmz is not connected to any cluster", { hint: "run: pmz up" });
  }
  const among = name.context === undefined ? clusters.all : [clusters.get(name.context)];
  const found = among.find((cluster) =>
    cluster.connection.topology.services.has(`${name.namespace}/${name.service}`)
  );
  if (found) return found;
  throw new Failure("not-found", `there is no Service ${name.service} in the namespace ${name.namespace}`, {
    hint: hintWhereElse(among.map(({ connection }) => connection.topology), name.service),
  });
}

/** The Services of all clusters, with who intercepts them. */
export async function services(clusters: ClusterRegistry): Promise<ServiceEntry[]> {
  return (await Promise.all(clusters.all.map((cluster) => servicesOf(cluster, clusters)))).flat();
}

async function servicesOf(cluster: Cluster, clusters: ClusterRegistry): Promise<ServiceEntry[]> {
  const { api, name } = cluster.connection;
  const [rules, problems] = await Promise.all([
    rulesOf(api, name.namespace),
    clusters.laptop.problems(cluster),
  ]);
  const own = interceptsOf(clusters).flatMap((one) => one.cluster === cluster ? [one.entry] : []);
  const isOwn = ({ namespace, service, port, protocol }: InterceptRule) =>
    own.some((one) =>
      one.namespace === namespace && one.service === service && one.port === port && one.protocol === protocol
    );
  const others = Map.groupBy(
    rules.filter((rule) => !isOwn(rule) && !rule.mirror),
    ({ namespace, service }) => `${namespace}/${service}`,
  );
  return serviceEntries({
    cluster: cluster.id,
    topology: cluster.connection.topology,
    names: clusters.laptop.namesOf(cluster),
    unreachable: clusters.laptop.unreachable(cluster),
    virtual: clusters.laptop.virtual(cluster),
    acceptedRanges: cluster.acceptedRanges,
    problems,
    own: (namespace, service) =>
      own.find((one) => one.namespace === namespace && one.service === service)?.id,
    others: (namespace, service) =>
      (others.get(`${namespace}/${service}`) ?? []).map(({ user, port, protocol, match }) => ({
        user,
        port,
        ...(protocol === undefined ? {} : { protocol }),
        ...(match === undefined ? {} : { match }),
      })),
  });
}

/** Every name that answers, the user's own domains too. */
export function names(clusters: ClusterRegistry, custom: readonly CustomName[]): NameEntry[] {
  return nameEntries(zonesOf(clusters), custom);
}

/** The names of all clusters. */
export function zonesOf(clusters: ClusterRegistry): ZoneData[] {
  return clusters.all.map((cluster) => ({ ...cluster.zone, services: clusters.laptop.namesOf(cluster) }));
}

/** All intercepts. Where several clusters are connected, their ids say which it is. */
export function interceptsOf(
  clusters: ClusterRegistry,
  counts: ReadonlyMap<string, readonly RuleCounts[]> = new Map(),
): FoundIntercept[] {
  const several = clusters.all.length > 1;
  return clusters.all.flatMap((cluster): FoundIntercept[] => {
    const { id, intercepts, redirects } = cluster;
    const named = (entry: InterceptEntry) => several ? { ...entry, id: `${entry.id}@${id}` } : entry;
    return [
      ...intercepts.entries(counts.get(id)).map(({ entry, wanted }) => ({
        cluster,
        entry: named(entry),
        end: () => intercepts.remove(wanted),
      })),
      ...redirects.entries(counts.get(id)).map(({ entry, own }) => ({
        cluster,
        own,
        entry: named(entry),
        end: () => redirects.remove(own),
      })),
    ];
  });
}

/** The domains of intercepts: names for their Services, as long as they last. */
export function interceptedDomains(clusters: ClusterRegistry): CustomName[] {
  return clusters.all.flatMap(({ id, intercepts }) =>
    intercepts.entries().flatMap(({ entry: { domain, service, namespace } }) =>
      domain === undefined ? [] : [{ domain, service, namespace, context: id }]
    )
  );
}

/** All intercepts, with the connections that were counted. */
export async function intercepts(clusters: ClusterRegistry): Promise<InterceptEntry[]> {
  const counts = new Map<string, readonly RuleCounts[]>();
  await Promise.all(
    clusters.all.map(async ({ id }) => counts.set(id, (await clusters.data.counts(id)).rules)),
  );
  return interceptsOf(clusters, counts).map(({ entry }) => entry);
}

/** How everything stands that is connected. */
export async function status(
  clusters: ClusterRegistry,
): Promise<Omit<Status, "release" | "pid" | "since">> {
  const { hostCapture, proxyAddress } = clusters.laptop;
  const names = await clusters.laptop.nameStats();
  // Before the firewall is looked at, whose connections aren't the user's.
  const connected = await Promise.all(clusters.all.map((cluster) => clusterStatus(clusters, cluster)));
  const blocked = await hostCapture?.blocked() ?? [];
  const helper: Status["helper"] = hostCapture
    ? { ...hostCapture.state, ...blocked.length > 0 && { blocked } }
    : { state: "none" };
  return {
    clusters: connected,
    helper,
    ...(proxyAddress ? { proxy: proxyAddress } : {}),
    ...(names ? { names: countsOf(names) } : {}),
    intercepts: await intercepts(clusters),
    failures: await lastFailures(clusters),
    warnings: [
      ...nameWarnings(clusters.laptop.nameProblem, names?.rebinding ?? []),
      ...await warnings(clusters.all, helper),
    ],
  };
}

/** As `status`, after a look at what it believes for a while otherwise: the machine's firewall, and why a tunnel isn't up. */
export async function look(clusters: ClusterRegistry): ReturnType<typeof status> {
  await clusters.laptop.hostCapture?.blockedNow();
  const seen = await status(clusters);
  return { ...seen, clusters: await Promise.all(seen.clusters.map((one) => withReason(one, clusters))) };
}

async function withReason(status: ClusterStatus, { all }: ClusterRegistry): Promise<ClusterStatus> {
  const cluster = all.find(({ id }) => id === status.cluster.context);
  if (status.tunnel.state === "connected" || status.mode === "intercept" || !cluster) return status;
  const seen = await tunnelHop(cluster, null);
  if (!("remedy" in seen)) return status; // it has come up meanwhile
  return { ...status, tunnel: { state: "connecting", why: seen.saw, remedy: seen.remedy } };
}

async function clusterStatus(
  { data, laptop }: ClusterRegistry,
  cluster: Cluster,
): Promise<ClusterStatus> {
  const { id, connection } = cluster;
  const { openStreams, roundTripMs } = await data.counts(id);
  const virtual = laptop.virtual(cluster);
  return {
    cluster: connection.name,
    mode: connection.mode,
    tunnel: connection.tunnel,
    ...(roundTripMs === null ? {} : { roundTripMs: Math.round(roundTripMs * 10) / 10 }),
    services: connection.topology.services.size,
    answering: answering(cluster, laptop),
    openStreams,
    limits: connection.limits,
    acceptedRanges: cluster.acceptedRanges,
    ...(virtual.length === 0 ? {} : { virtual: shortened(virtual) }),
    unreachable: shortened(laptop.unreachable(cluster)),
  };
}

/** Addresses that are named in a status; more are counted. */
const NAMED = 20;

function shortened<T>(all: readonly T[]): { readonly count: number; readonly first: readonly T[] } {
  return { count: all.length, first: all.slice(0, NAMED) };
}

function countsOf({ rebinding: _, ...counts }: NamesStats): NameCounts {
  return counts;
}
