import type { ServiceNames, ZoneData } from "../../names/zone/zone_data.ts";
import type { EndpointSlice, Service } from "../../kube/objects/objects.ts";
import type { ClusterName } from "../../wire/control.ts";
import { podsOf, type Topology } from "./topology.ts";

/** Kubernetes' own default; a cluster's API doesn't say another. */
export const CLUSTER_DOMAIN = "cluster.local";

/** What a cluster's names are, made of what the cluster has. */
export function zoneData(cluster: ClusterName, topology: Topology): ZoneData {
  const slices = Map.groupBy(
    topology.slices?.values() ?? [],
    (slice) => `${slice.namespace}/${slice.service ?? ""}`,
  );
  // Once for all Services: a cluster may have many of both, and this is made anew at each change.
  const known = new Set(
    [...topology.pods.values()].flatMap((pod) => pod.hostNetwork ? [] : pod.podIPs),
  );
  return {
    cluster: cluster.context,
    context: cluster.context,
    clusterDomain: CLUSTER_DOMAIN,
    namespace: cluster.namespace,
    services: [...topology.services.values()].map((service) =>
      serviceNames(topology, known, service, slices.get(`${service.namespace}/${service.name}`) ?? [])
    ),
  };
}

function serviceNames(
  topology: Topology,
  known: ReadonlySet<string>,
  service: Service,
  slices: readonly EndpointSlice[],
): ServiceNames {
  const pods = service.headless ? headlessPods(topology, known, service, slices) : undefined;
  return {
    namespace: service.namespace,
    name: service.name,
    addresses: pods ? [...new Set(pods.flatMap((pod) => pod.addresses))] : service.clusterIPs,
    ports: service.ports.map(({ name, port, protocol }) => ({ ...(name ? { name } : {}), port, protocol })),
    ...(service.externalName ? { externalName: service.externalName } : {}),
    ...(pods ? { headless: pods } : {}),
  };
}

/**
 * A headless Service's pods: its endpoints, as far as they are addresses of pods that are captured; nothing else that
 * a slice says leads anywhere. Where slices can't be seen, the ready pods of its selector.
 */
function headlessPods(
  topology: Topology,
  known: ReadonlySet<string>,
  service: Service,
  slices: readonly EndpointSlice[],
) {
  if (!topology.slices) {
    return podsOf(topology, service).filter((pod) => pod.ready && !pod.hostNetwork).map((pod) => ({
      addresses: pod.podIPs,
    }));
  }
  return slices.flatMap((slice) => slice.endpoints).flatMap((endpoint) => {
    if (!endpoint.ready && !service.publishNotReadyAddresses) return [];
    const addresses = endpoint.addresses.filter((address) => known.has(address));
    return addresses.length > 0
      ? [{ ...(endpoint.hostname ? { hostname: endpoint.hostname } : {}), addresses }]
      : [];
  });
}
