import type { Endpoint, EndpointSlice, Pod, Service } from "../../kube/objects/objects.ts";
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

/** How many ready endpoints a Service has, and its ports that are served, by name: "" for an unnamed one. */
export interface Readiness {
  readonly endpoints: number;
  readonly ports: ReadonlySet<string>;
}

const NOTHING_READY: Readiness = { endpoints: 0, ports: new Set() };

/** The readiness of each Service that has a slice, by "namespace/name". */
export function readiness(slices: ReadonlyMap<string, EndpointSlice>): (service: string) => Readiness {
  const all = Map.groupBy(
    [...slices.values()].filter(({ service }) => service),
    ({ namespace, service }) => `${namespace}/${service}`,
  );
  return (service) => {
    const own = all.get(service);
    return own ? { endpoints: readyEndpoints(own), ports: servedNames(own) } : NOTHING_READY;
  };
}

/** The ready endpoints of a Service's slices. A dual-stack Service has slices of each family over the same pods. */
function readyEndpoints(slices: readonly EndpointSlice[]): number {
  const byFamily = Map.groupBy(slices, ({ addressType }) => addressType);
  const counts = [...byFamily.values()].map((family) => {
    const ready = family.flatMap(({ endpoints }) => endpoints).filter((endpoint) => endpoint.ready);
    // While the cluster moves an endpoint to another slice, both have it.
    return new Set(ready.map(({ addresses: [address = ""] }) => address)).size;
  });
  return Math.max(0, ...counts);
}

/** The names of the ports that an endpoint serves. */
function servedNames(slices: readonly EndpointSlice[]): Set<string> {
  const served = slices.filter(({ endpoints }) => endpoints.some(serves));
  return new Set(served.flatMap(({ ports }) => ports.map(({ name }) => name)));
}

/** Whether kube-proxy sends connections there: to one that terminates while it still serves and none is ready (KEP-1669). */
function serves({ ready, serving, terminating }: Endpoint): boolean {
  return ready || (serving && terminating);
}

/**
 * The ports by which a Service is reached, and which of them an endpoint serves.
 * @param slices its own; undefined where they can't be listed: then every port counts as served
 */
export function servedPorts(service: Service, slices: readonly EndpointSlice[] | undefined): ServedPort[] {
  const served = slices && servedNames(slices);
  return service.ports.flatMap((port): ServedPort[] => {
    if (port.protocol === "SCTP") return [];
    const protocol = port.protocol === "TCP" ? "tcp" : "udp";
    return [{ protocol, port: port.port, served: served?.has(port.name) ?? true }];
  });
}

/** A topology with the pods of one namespace: for several questions about it, in a cluster with many pods. */
export function within(topology: Topology, namespace: string): Topology {
  return {
    ...topology,
    pods: new Map([...topology.pods].filter(([, pod]) => pod.namespace === namespace)),
  };
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
