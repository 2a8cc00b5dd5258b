import { failed } from "../../../checks/check.ts";
import { NAMESERVER_REMEDY } from "../../../checks/nameservers.ts";
import type { Resolver } from "../../../checks/parts.ts";
import { type Context, contexts } from "../../../kube/config/kubeconfig.ts";
import { contextDomain } from "../../../names/zone/cluster_names.ts";
import { whyReserved } from "../../../names/zone/reserved_names.ts";
import type { Zone } from "../../../names/zone/zone.ts";
import type { ExplainRequest } from "../../../wire/control.ts";
import type { Finding } from "../../../wire/finding.ts";
import type { Cluster } from "../../clusters/cluster.ts";
import { isNamespaceMissing } from "../../discovery/missing_namespace.ts";
import { type MeantService, meantService } from "./meant_service.ts";

/** Services that are named, of those that are called alike. */
const NAMED = 3;

/** What is known of names around a host. */
export interface Surroundings {
  readonly zone: Zone;
  readonly resolver: Pick<Resolver, "hostname" | "nameservers">;
  readonly clusters: readonly Cluster[];
  /** Why a nameserver doesn't answer; undefined when it does. */
  readonly nameserverProblem: (address: string) => Promise<string | undefined>;
}

/** Why no connected cluster has a host. */
export async function whyAbsent(asked: ExplainRequest, around: Surroundings): Promise<Finding> {
  const { host } = asked;
  const reserved = whyReserved(host, around.resolver.hostname.toLowerCase());
  if (reserved !== undefined) {
    return failed(`${host} never leads to a cluster: ${reserved}`, "choose another name: pmz dns add");
  }
  const meant = meantService(host);
  if (!meant) return others(asked, around);
  const { suffix } = meant;
  if (suffix !== undefined) {
    return elsewhere(host, suffix, asked, around.clusters) ?? await missing(host, meant, asked, around) ??
      others(asked, around);
  }
  const { namespace } = meant;
  const isShort = !meant.isExplicit && namespace !== undefined;
  if (isShort && around.zone.isReserved(namespace) && servicesNamed(meant, around.clusters).length > 0) {
    return failed(
      `names that end in ${namespace} stay the internet's or the local network's`,
      `write the whole name: ${host}.svc`,
    );
  }
  // A name of two labels is the internet's, unless it names a namespace or a Service of the cluster.
  const isMeant = meant.isExplicit || servicesCalled(meant.service, around.clusters).length > 0 ||
    namespace !== undefined && around.clusters.some((one) => hasServicesIn(one, namespace));
  if (isMeant) return await missing(host, meant, asked, around) ?? others(asked, around);
  return missingEndpoint(host, meant, around.clusters) ?? others(asked, around);
}

/** A short name of a StatefulSet's pod, "mongo-0.mongo", that no endpoint of its headless Service has. */
function missingEndpoint(
  host: string,
  { namespace: service }: MeantService,
  clusters: readonly Cluster[],
): Finding | undefined {
  for (const { id, connection: { name: { namespace }, topology } } of clusters) {
    if (topology.services.get(`${namespace}/${service}`)?.headless) {
      return withoutEndpoint(`${namespace}/${service}`, id, host);
    }
  }
  return undefined;
}

function withoutEndpoint(service: string, cluster: string, host: string): Finding {
  const [namespace, name] = service.split("/");
  return failed(
    `the Service ${service} of cluster ${cluster} has no endpoint or port by the name ${host}`,
    `to see its endpoints: kubectl -n ${namespace} get endpointslices -l kubernetes.io/service-name=${name}`,
  );
}

/** A name of a context that isn't connected. */
function elsewhere(
  host: string,
  suffix: string,
  asked: ExplainRequest,
  clusters: readonly Cluster[],
): Finding | undefined {
  if (clusters.some(({ id }) => contextDomain(id) === suffix)) return undefined;
  const context = contextsOf(asked).find(({ name }) => contextDomain(name) === suffix);
  if (!context) return undefined;
  return failed(
    `${host} is a name of the cluster ${context.name}, and pmz isn't connected to that for your programs`,
    `run: pmz up --context ${context.name}`,
  );
}

/** What to do where kubectl's current context is another cluster, which may be the one that is meant. */
function notConnected(asked: ExplainRequest, clusters: readonly Cluster[]): string | undefined {
  const current = contextsOf(asked).find((one) => one.current)?.name;
  if (current === undefined || clusters.some(({ id }) => id === current)) return undefined;
  return `kubectl's current context is ${current}, which isn't connected: pmz up --context ${current}`;
}

/** None where the kubeconfig can't be read: the connected clusters need it no longer. */
function contextsOf({ kubeconfig, environment }: ExplainRequest): Context[] {
  try {
    return contexts({
      ...kubeconfig === undefined ? {} : { kubeconfig },
      ...environment === undefined ? {} : { environment },
    });
  } catch {
    return [];
  }
}

/** A Service that isn't there: in its namespace, or with the namespace; undefined when another cluster's name is meant. */
async function missing(
  host: string,
  { service, namespace, suffix, isWhole }: MeantService,
  asked: ExplainRequest,
  { clusters }: Surroundings,
): Promise<Finding | undefined> {
  const among = suffix === undefined ? clusters : clusters.filter(({ id }) => contextDomain(id) === suffix);
  const [cluster] = among;
  if (!cluster) return undefined;
  const { id, connection } = cluster;
  const place = namespace ?? connection.name.namespace;
  if (!isWhole && connection.topology.services.has(`${place}/${service}`)) {
    return withoutEndpoint(`${place}/${service}`, id, host);
  }
  const { onlyNamespace } = connection;
  if (onlyNamespace !== undefined && onlyNamespace !== place) {
    return failed(
      `you may list the Services of the namespace ${onlyNamespace} only, so no name of ${place} is known`,
      "see what is missing: pmz doctor rights",
    );
  }
  const alike = servicesCalled(service, among).slice(0, NAMED);
  const hint = suffix === undefined && notConnected(asked, clusters) ||
    (alike.length > 0 ? `there is ${alike.join(", ")}` : "to see all Services: pmz services -A");
  if (await isNamespaceMissing(connection, place)) {
    return failed(`the namespace ${place} doesn't exist in cluster ${id}`, hint);
  }
  return failed(`there is no Service ${service} in the namespace ${place} of cluster ${id}`, hint);
}

function hasServicesIn({ connection }: Cluster, name: string): boolean {
  return connection.topology.services.values().some(({ namespace }) => namespace === name);
}

/** "echo.default.svc" of each Service that is called so. */
function servicesCalled(called: string, clusters: readonly Cluster[]): string[] {
  return clusters.flatMap(({ connection }) =>
    [...connection.topology.services.values()].flatMap(({ name, namespace }) =>
      name === called ? [`${name}.${namespace}.svc`] : []
    )
  );
}

function servicesNamed({ service, namespace }: MeantService, clusters: readonly Cluster[]): string[] {
  return servicesCalled(service, clusters).filter((name) => name === `${service}.${namespace}.svc`);
}

/** A name that is left to the machine's own nameservers. */
async function others(
  { host, lookup }: ExplainRequest,
  { resolver, nameserverProblem }: Surroundings,
): Promise<Finding> {
  const addresses = resolver.nameservers.map(({ address }) => address);
  const nameservers = addresses.join(", ");
  const carried = `${host} belongs to no connected cluster, so pmz doesn't carry it`;
  const remedy = `to see the clusters' names: pmz services -A; to make it one: pmz dns add ${host} SERVICE`;
  if (lookup === undefined) return failed(`${carried}: it is left to ${nameservers}`, remedy);
  if (lookup.addresses.length > 0) {
    const got = lookup.addresses.join(", ");
    return failed(`${carried}: ${nameservers} is asked, and programs get ${got}`, remedy);
  }
  const problems = (await Promise.all(addresses.map(nameserverProblem))).flatMap((problem) => problem ?? []);
  if (problems.length === addresses.length) {
    return failed(
      `${carried}, and no nameserver of this machine answers: ${problems.join("; ")}`,
      NAMESERVER_REMEDY,
    );
  }
  const dead = problems.length === 0 ? "" : ` (${problems.join("; ")})`;
  const asked = lookup.isLate
    ? `doesn't answer within ${Math.round(lookup.ms / 1000)} s`
    : "has no address for it";
  return failed(`${carried}: ${nameservers} is asked, and ${asked}${dead}`, remedy);
}
