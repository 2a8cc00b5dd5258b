import type { InterceptEntry, InterceptRequest } from "../../wire/control.ts";
import type { Cluster } from "../clusters/cluster.ts";
import type { ClusterRegistry } from "../clusters/registry.ts";
import { hintWhereElse } from "../discovery/where_else.ts";
import { Failure } from "../failure.ts";
import { type InterceptTarget, portOf, portWords } from "../intercepts/target.ts";
import type { Reporter } from "../../wire/progress.ts";
import { formatEndpoint } from "../../net/address.ts";
import { refuseMove } from "./intercept.ts";
import { interceptsOf } from "./status.ts";

/**
 * Lets a program of this laptop answer the laptop's own connections to a Service. Nothing is asked of the cluster.
 * @throws {Failure} `not-up`, `not-found`, `usage`
 */
export async function interceptMine(
  request: InterceptRequest,
  clusters: ClusterRegistry,
  report: Reporter,
): Promise<InterceptEntry> {
  refuseMatchers(request);
  const { cluster, target } = findMeant(request, clusters);
  const { redirects } = cluster;
  const { local, ttl } = request;
  const before = redirects.of(target);
  if (before && request.hold !== undefined) {
    refuseMove(`${target.service.name}.${target.service.namespace}:${target.port.port}`, before.local, local);
  }
  redirects.add({
    target,
    local,
    since: before?.since ?? new Date().toISOString(),
    ...(ttl === undefined ? {} : { until: new Date(Date.now() + ttl * 1_000).toISOString() }),
  });
  await redirects.lookAtPrograms();
  const now = redirects.of(target);
  const entry = interceptsOf(clusters).find(({ own }) => own !== undefined && own === now)?.entry;
  if (!entry) throw new Failure("conflict", "the intercept was removed while it was set up");
  const from = before && formatEndpoint(before.local.host, before.local.port);
  if (from !== undefined && from !== entry.local) report.warn(`${entry.id} was moved from ${from}`);
  if (entry.silentSince !== undefined && request.hold === undefined) {
    report.warn(
      `nothing listens at ${entry.local} yet`,
      "start your program; until then this machine's connections to the Service are reset",
    );
  }
  return entry;
}

/** It decides by a connection's destination, before anything was said on it. @throws {Failure} */
function refuseMatchers({ match, domain, personal, mirror }: InterceptRequest): void {
  if (mirror) {
    throw new Failure("usage", "--mine doesn't mirror: its connections reach no pod", {
      hint: "leave out --mirror or --mine",
    });
  }
  if (match === undefined && domain === undefined && !personal) return;
  throw new Failure("usage", "--mine takes whole connections: it can't be combined with a matcher", {
    hint: "leave out the matcher, or leave out --mine",
  });
}

/** The cluster and the Service's port. @throws {Failure} */
function findMeant(
  { context, namespace, service, port, local }: InterceptRequest,
  clusters: ClusterRegistry,
): { readonly cluster: Cluster; readonly target: InterceptTarget } {
  const all = context === undefined ? clusters.all : [clusters.get(context)];
  const reached = all.filter(({ connection }) => connection.mode !== "intercept");
  if (reached.length === 0) {
    throw new Failure("not-up", "--mine needs a connection by which this machine reaches the cluster", {
      hint: "run: pmz up",
    });
  }
  const namespaceIn = ({ connection }: Cluster) => namespace ?? connection.name.namespace;
  const having = reached.filter((cluster) =>
    cluster.connection.topology.services.has(`${namespaceIn(cluster)}/${service}`)
  );
  const [cluster, ...others] = having;
  if (!cluster) {
    const where = [...new Set(reached.map(namespaceIn))].join(" or ");
    throw new Failure("not-found", `there is no Service ${service} in the namespace ${where}`, {
      hint: hintWhereElse(reached.map(({ connection }) => connection.topology), service),
    });
  }
  if (others.length > 0) {
    const ids = having.map(({ id }) => id);
    throw new Failure("usage", `${service} is a Service of several clusters: ${ids.join(", ")}`, {
      hint: `choose one: --context ${ids[0]}`,
    });
  }
  const found = cluster.connection.topology.services.get(`${namespaceIn(cluster)}/${service}`);
  if (!found) throw new Failure("not-found", `there is no Service ${service}`);
  if (found.externalName !== undefined) {
    throw new Failure("usage", `${service}.${found.namespace} can't be intercepted: it's an ExternalName`, {
      hint: `its name leads to ${found.externalName}`,
    });
  }
  const target = { service: found, port: portOf(found, port, local.port) };
  if (target.port.protocol === "UDP") {
    throw new Failure("usage", `${portWords(target)} is UDP: --mine takes connections of TCP ports alone`, {
      hint: "leave out --mine: then the datagrams of all callers in the cluster come to your program",
    });
  }
  return { cluster, target };
}
