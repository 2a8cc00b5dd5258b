import type { EndpointSlice, Service } from "../../kube/objects/objects.ts";
import { podPort } from "../../kube/objects/selectors.ts";
import type { EndpointGroup, NamedPort, ServiceNames } from "../../names/zone/zone_data.ts";
import { parseAddress } from "../../net/address.ts";
import { podsOf, type Topology } from "./topology.ts";

/** Kubernetes' own default; a cluster's API doesn't say another. */
export const CLUSTER_DOMAIN = "cluster.local";

/**
 * What a Service's names lead to.
 * @param addresses its clusterIPs that may be dialled
 * @param sliceEndpoints the ready endpoints of its slices
 * @param isPod whether an address is one of a pod that may be dialled
 */
export function serviceNames(
  topology: Topology,
  service: Service,
  addresses: readonly string[],
  sliceEndpoints: readonly EndpointGroup[],
  isPod: (address: string) => boolean,
): ServiceNames {
  const endpoints = topology.slices ? sliceEndpoints : podGroups(topology, service, isPod);
  const own = service.headless ? endpoints.flatMap((group) => group.endpoints) : undefined;
  return {
    namespace: service.namespace,
    name: service.name,
    addresses: own ? [...new Set(own.flatMap((endpoint) => endpoint.addresses))] : addresses,
    ports: service.ports.map((port) => ({ ...namedPort(port), port: port.port })),
    ...(service.externalName ? { externalName: service.externalName } : {}),
    ...(service.headless ? { headless: true } : {}),
    ...(endpoints.length > 0 ? { endpoints } : {}),
  };
}

/** The addresses that are valid, each in its canonical form. */
export function canonicalAddresses(texts: readonly string[]): string[] {
  return texts.flatMap((text) => parseAddress(text)?.text ?? []);
}

/** The ready endpoints of a slice, and those of their addresses that no name leads to. */
export interface SliceEndpoints {
  /** Undefined where no endpoint is ready. */
  readonly group: EndpointGroup | undefined;
  /** With the pod that the slice says, "namespace/name". */
  readonly unreached: readonly { readonly address: string; readonly pod?: string }[];
}

/**
 * The endpoints that names lead to, as in the cluster's own DNS: a Service that publishes what isn't ready has slices that say so. Of
 * their addresses those that are pods': whatever else a slice says leads nowhere.
 * @param isPod whether an address is one of a pod that may be dialled
 */
export function sliceEndpoints(slice: EndpointSlice, isPod: (address: string) => boolean): SliceEndpoints {
  const endpoints: EndpointGroup["endpoints"][number][] = [];
  const unreached: SliceEndpoints["unreached"][number][] = [];
  for (const { ready, hostname, addresses, pod } of slice.endpoints) {
    if (!ready) continue;
    const [reached, others] = divided(canonicalAddresses(addresses), isPod);
    endpoints.push({ ...(hostname ? { hostname } : {}), addresses: reached });
    const target = pod && { pod: `${pod.namespace}/${pod.name}` };
    for (const address of others) unreached.push({ address, ...target });
  }
  const group = endpoints.length > 0 ? { ports: slice.ports.map(namedPort), endpoints } : undefined;
  return { group, unreached };
}

function divided<T>(all: readonly T[], isFirst: (one: T) => boolean): [T[], T[]] {
  return [all.filter(isFirst), all.filter((one) => !isFirst(one))];
}

/** Where slices can't be listed: the ready pods of the Service's selector, with the ports that it has there. */
function podGroups(
  topology: Topology,
  service: Service,
  isPod: (address: string) => boolean,
): EndpointGroup[] {
  if (!service.headless) return [];
  return podsOf(topology, service).flatMap((pod) => {
    const addresses = canonicalAddresses(pod.podIPs).filter(isPod);
    if ((!pod.ready && !service.publishNotReadyAddresses) || addresses.length === 0) return [];
    const ports = service.ports.map((port): NamedPort => {
      const number = podPort(pod, port);
      return namedPort({
        name: port.name,
        protocol: port.protocol,
        ...(number === undefined ? {} : { port: number }),
      });
    });
    return [{ ports, endpoints: [{ addresses }] }];
  });
}

function namedPort(
  { name, port, protocol }: { readonly name: string; readonly port?: number; readonly protocol: string },
): NamedPort {
  return { ...(name ? { name } : {}), ...(port === undefined ? {} : { port }), protocol };
}
