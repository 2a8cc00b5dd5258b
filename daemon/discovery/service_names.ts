import type { EndpointSlice, Service } from "../../kube/objects/objects.ts";
import type { ServiceNames } from "../../names/zone/zone_data.ts";
import { parseAddress } from "../../net/address.ts";
import { podsOf, type Topology } from "./topology.ts";

/** Kubernetes' own default; a cluster's API doesn't say another. */
export const CLUSTER_DOMAIN = "cluster.local";

/**
 * What a Service's names lead to.
 * @param addresses its clusterIPs that may be dialled
 * @param slices its own
 * @param isPod whether an address is one of a pod that may be dialled
 */
export function serviceNames(
  topology: Topology,
  service: Service,
  addresses: readonly string[],
  slices: readonly EndpointSlice[],
  isPod: (address: string) => boolean,
): ServiceNames {
  const pods = service.headless ? headlessPods(topology, service, slices, isPod) : undefined;
  return {
    namespace: service.namespace,
    name: service.name,
    addresses: pods ? [...new Set(pods.flatMap((pod) => pod.addresses))] : addresses,
    ports: service.ports.map(({ name, port, protocol }) => ({ ...(name ? { name } : {}), port, protocol })),
    ...(service.externalName ? { externalName: service.externalName } : {}),
    ...(pods ? { headless: pods } : {}),
  };
}

/** The addresses that are valid, each in its canonical form. */
export function canonicalAddresses(texts: readonly string[]): string[] {
  return texts.flatMap((text) => parseAddress(text)?.text ?? []);
}

/**
 * A headless Service's pods: those of its endpoints that are addresses of pods. Whatever else a slice says leads nowhere.
 * Where slices can't be listed: the ready pods of its selector.
 */
function headlessPods(
  topology: Topology,
  service: Service,
  slices: readonly EndpointSlice[],
  isPod: (address: string) => boolean,
): NonNullable<ServiceNames["headless"]> {
  const reachable = (addresses: readonly string[]) => canonicalAddresses(addresses).filter(isPod);
  if (!topology.slices) {
    return podsOf(topology, service).flatMap(({ ready, podIPs }) => {
      const addresses = ready ? reachable(podIPs) : [];
      return addresses.length > 0 ? [{ addresses }] : [];
    });
  }
  return slices.flatMap((slice) => slice.endpoints).flatMap((endpoint) => {
    if (!endpoint.ready && !service.publishNotReadyAddresses) return [];
    const addresses = reachable(endpoint.addresses);
    return addresses.length > 0
      ? [{ ...(endpoint.hostname ? { hostname: endpoint.hostname } : {}), addresses }]
      : [];
  });
}
