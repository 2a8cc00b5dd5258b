import type { EndpointSlice, Pod, Service } from "../../kube/objects/objects.ts";
import { isTerminating, mayRun, selects } from "../../kube/objects/selectors.ts";
import type { ServedPort } from "../../wire/helper.ts";

/** What a cluster has, as far as it may be seen. Keys are "namespace/name". */
export interface Topology {
  readonly services: ReadonlyMap<string, Service>;
  /** Undefined where EndpointSlices may not be listed: then every Service port counts as served. */
  readonly slices?: ReadonlyMap<string, EndpointSlice>;
  readonly pods: ReadonlyMap<string, Pod>;
}

/** Keys of objects that are new, have changed or are gone. */
export interface TopologyChange {
  readonly services: ReadonlySet<string>;
  readonly slices: ReadonlySet<string>;
  readonly pods: ReadonlySet<string>;
}

/** Everything that a topology has, as a change: for who begins with it. */
export function wholeOf({ services, slices, pods }: Topology): TopologyChange {
  return {
    services: new Set(services.keys()),
    slices: new Set(slices?.keys()),
    pods: new Set(pods.keys()),
  };
}

/** How many ready endpoints a Service has, and by the names of its ports, "" for an unnamed one. */
export interface Readiness {
  readonly endpoints: number;
  readonly ports: ReadonlySet<string>;
}

const NOTHING_READY: Readiness = { endpoints: 0, ports: new Set() };

/** The readiness of each Service that has a slice, by "namespace/name". */
export function readiness(slices: ReadonlyMap<string, EndpointSlice>): (service: string) => Readiness {
  const all = new Map<string, { endpoints: number; ports: Set<string> }>();
  for (const slice of slices.values()) {
    if (!slice.service) continue;
    const ready = slice.endpoints.filter((endpoint) => endpoint.ready).length;
    if (ready === 0) continue;
    const key = `${slice.namespace}/${slice.service}`;
    const known = all.get(key) ?? { endpoints: 0, ports: new Set<string>() };
    // A dual-stack Service has a slice of each family over the same pods.
    known.endpoints = Math.max(known.endpoints, ready);
    for (const port of slice.ports) known.ports.add(port.name);
    all.set(key, known);
  }
  return (service) => all.get(service) ?? NOTHING_READY;
}

/**
 * The ports by which a Service is reached, and which of them a ready endpoint serves.
 * @param slices its own; undefined where they can't be listed: then every port counts as served
 */
export function servedPorts(service: Service, slices: readonly EndpointSlice[] | undefined): ServedPort[] {
  const ready = slices &&
    new Set(
      slices.filter(hasReadyEndpoint).flatMap((slice) => slice.ports.map(({ name }) => name)),
    );
  return service.ports.flatMap((port): ServedPort[] => {
    if (port.protocol === "SCTP") return [];
    const protocol = port.protocol === "TCP" ? "tcp" : "udp";
    return [{ protocol, port: port.port, served: ready?.has(port.name) ?? true }];
  });
}

function hasReadyEndpoint(slice: EndpointSlice): boolean {
  return slice.endpoints.some((endpoint) => endpoint.ready);
}

/** The pods that a Service's selector finds and that aren't being deleted; none where it has no selector. */
export function podsOf(topology: Topology, service: Service): Pod[] {
  return runningPodsOf(topology, service).filter((pod) => !isTerminating(pod));
}

/** As `podsOf`, with pods that are being deleted. */
export function runningPodsOf(topology: Topology, service: Service): Pod[] {
  const { selector } = service;
  if (!selector) return [];
  return [...topology.pods.values()].filter((pod) =>
    pod.namespace === service.namespace && mayRun(pod) && selects(selector, pod)
  );
}

/** Whether pods of a namespace can be seen. A namespace without pods can't be told from one that is hidden. */
export function seesPods(topology: Topology, namespace: string): boolean {
  return [...topology.pods.values()].some((pod) => pod.namespace === namespace);
}
