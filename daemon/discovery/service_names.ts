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
  const endpoints = topology.slices ? sliceGroups(slices, isPod) : podGroups(topology, service, isPod);
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

/**
 * The ready endpoints, as the cluster's own DNS has them: one that publishes what isn't ready gets slices that say so. Of their
 * addresses those that are pods': whatever else a slice says leads nowhere.
 */
function sliceGroups(slices: readonly EndpointSlice[], isPod: (address: string) => boolean): EndpointGroup[] {
  const groups = new EndpointGroups();
  for (const { endpoints, ports } of slices) {
    for (const { ready, hostname, addresses } of endpoints) {
      if (ready) groups.add(ports.map(namedPort), hostname, canonicalAddresses(addresses).filter(isPod));
    }
  }
  return groups.all;
}

/** Where slices can't be listed: the ready pods of the Service's selector, with the ports that it has there. */
function podGroups(
  topology: Topology,
  service: Service,
  isPod: (address: string) => boolean,
): EndpointGroup[] {
  if (!service.headless) return [];
  const groups = new EndpointGroups();
  for (const pod of podsOf(topology, service)) {
    const addresses = canonicalAddresses(pod.podIPs).filter(isPod);
    if ((!pod.ready && !service.publishNotReadyAddresses) || addresses.length === 0) continue;
    const ports = service.ports.map(({ name, protocol, ...port }): NamedPort => {
      const number = podPort(pod, { name, protocol, ...port });
      return namedPort({ name, protocol, ...(number === undefined ? {} : { port: number }) });
    });
    groups.add(ports, undefined, addresses);
  }
  return groups.all;
}

function namedPort(
  { name, port, protocol }: { readonly name: string; readonly port?: number; readonly protocol: string },
): NamedPort {
  return { ...(name ? { name } : {}), ...(port === undefined ? {} : { port }), protocol };
}

/** Endpoints by the ports that they share. */
class EndpointGroups {
  readonly #groups = new Map<
    string,
    { ports: NamedPort[]; endpoints: EndpointGroup["endpoints"][number][] }
  >();

  get all(): EndpointGroup[] {
    return [...this.#groups.values()];
  }

  add(ports: NamedPort[], hostname: string | undefined, addresses: readonly string[]): void {
    const key = JSON.stringify(ports);
    const group = this.#groups.get(key) ?? { ports, endpoints: [] };
    group.endpoints.push({ ...(hostname ? { hostname } : {}), addresses });
    this.#groups.set(key, group);
  }
}
