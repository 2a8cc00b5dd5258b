import { failed, ok } from "../../../checks/check.ts";
import type { Service } from "../../../kube/objects/objects.ts";
import type { Owner } from "../../../names/zone/owner.ts";
import type { Zone } from "../../../names/zone/zone.ts";
import { parseAddress } from "../../../net/address.ts";
import type { Finding } from "../../../wire/finding.ts";
import type { Cluster } from "../../clusters/cluster.ts";
import { meantService } from "./meant_service.ts";

/** What a host is, in a cluster. */
export type Subject =
  | {
    readonly kind: "service";
    readonly cluster: Cluster;
    readonly service: Service;
    /** What is dialled: its addresses, or those of its endpoints. */
    readonly addresses: readonly string[];
  }
  /** A pod, or an endpoint by its own name. */
  | { readonly kind: "pod"; readonly cluster: Cluster; readonly addresses: readonly string[] };

/** What was found of a host; without a subject it is no cluster's. */
export interface Found {
  readonly saw: Finding;
  readonly subject?: Subject;
}

/** Names of Services' types, where they matter for a connection. */
const kinds = { headless: "headless Service", other: "Service" } as const;

/**
 * What a name stands for; undefined when no connected cluster has it.
 * @param from the cluster of the ExternalName that leads there
 */
export function findName(
  host: string,
  zone: Zone,
  clusters: readonly Cluster[],
  from?: string,
): Found | undefined {
  const owner = zone.owner(host, from);
  if (owner === undefined || owner === "absent") return findSilent(host, clusters);
  return foundOwner(host, owner, clusters);
}

function foundOwner(host: string, owner: Owner, clusters: readonly Cluster[]): Found | undefined {
  if (owner.kind === "version" || owner.kind === "nothing") return undefined;
  const cluster = clusters.find(({ id }) => id === owner.names.cluster);
  if (!cluster) return undefined;
  if (owner.kind === "pod") {
    const addresses = [owner.address.text];
    return {
      saw: ok(`${host} is the pod at ${owner.address.text} of cluster ${cluster.id}`),
      subject: { kind: "pod", cluster, addresses },
    };
  }
  const { namespace, name } = owner.service;
  const service = cluster.connection.topology.services.get(`${namespace}/${name}`);
  if (!service) return undefined;
  const addresses = [...new Set(owner.places.map(({ address }) => address.text))];
  const isEndpoint = !service.headless && owner.places.some(({ endpoint }) => endpoint !== undefined);
  if (!isEndpoint) return foundService(host, cluster, service, addresses);
  return {
    saw: ok(`${host} is an endpoint of Service ${namespace}/${name} of cluster ${cluster.id}`),
    subject: { kind: "pod", cluster, addresses },
  };
}

/** A Service whose name has no records now: a headless one without an endpoint that is reached. */
function findSilent(host: string, clusters: readonly Cluster[]): Found | undefined {
  const meant = meantService(host);
  if (!meant || meant.suffix !== undefined) return undefined;
  for (const cluster of clusters) {
    const namespace = meant.namespace ?? cluster.connection.name.namespace;
    const service = cluster.connection.topology.services.get(`${namespace}/${meant.service}`);
    if (service && meant.isWhole) return foundService(host, cluster, service, []);
  }
  return undefined;
}

function foundService(
  host: string,
  cluster: Cluster,
  service: Service,
  addresses: readonly string[],
): Found {
  const { namespace, name, externalName } = service;
  const kind = service.headless ? kinds.headless : kinds.other;
  const leads = externalName === undefined ? "" : `, an ExternalName: ${externalName}`;
  return {
    saw: ok(`${host} is ${kind} ${namespace}/${name} of cluster ${cluster.id}${leads}`),
    subject: { kind: "service", cluster, service, addresses },
  };
}

/** What an address is, in the clusters; the one that it leads to now comes first. */
export function findAddress(text: string, clusters: readonly Cluster[]): Found {
  const address = parseAddress(text)?.text ?? text;
  for (const cluster of clusters) {
    const service = [...cluster.connection.topology.services.values()].find(({ clusterIPs }) =>
      clusterIPs.some((one) => parseAddress(one)?.text === address)
    );
    if (service) {
      return {
        saw: ok(`${address} is Service ${service.namespace}/${service.name} of cluster ${cluster.id}`),
        subject: { kind: "service", cluster, service, addresses: [address] },
      };
    }
    const pod = cluster.index.nameAt(address);
    if (pod !== undefined) {
      return {
        saw: ok(`${address} is ${pod} of cluster ${cluster.id}`),
        subject: { kind: "pod", cluster, addresses: [address] },
      };
    }
  }
  return {
    saw: failed(
      `no Service and no pod of a connected cluster has the address ${address}: pmz doesn't carry it`,
      "if a name led there before, its program may keep the old address (Chrome does for a minute); to see the addresses: " +
        "pmz services -A; kubectl get pods -A -o wide",
    ),
  };
}
