import type { EndpointSlice, Pod, Service } from "../../kube/objects/objects.ts";
import { isTerminating, mayRun, selects } from "../../kube/objects/selectors.ts";
import { parseAddress } from "../../net/address.ts";
import type { CapturedPorts, ServedPort } from "../../wire/helper.ts";

/** What a cluster has, as far as it may be seen. Keys are "namespace/name". */
export interface Topology {
  readonly services: ReadonlyMap<string, Service>;
  /** Undefined where EndpointSlices may not be listed: then every Service port counts as served. */
  readonly slices?: ReadonlyMap<string, EndpointSlice>;
  readonly pods: ReadonlyMap<string, Pod>;
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
 * The addresses by which the laptop's programs reach the cluster, and what each answers: the clusterIPs, and the
 * addresses of pods that aren't on their node's network. Nothing else that the cluster says: no external addresses,
 * no load balancers, no endpoints that are no pods.
 */
export function capturedAddresses(topology: Topology): Map<string, CapturedPorts> {
  const captured = new Map<string, CapturedPorts>();
  for (const pod of topology.pods.values()) {
    if (pod.hostNetwork || !mayRun(pod)) continue;
    for (const text of pod.podIPs) {
      const address = parseAddress(text);
      if (address) captured.set(address.text, "any");
    }
  }
  const ready = topology.slices && readiness(topology.slices);
  for (const [key, service] of topology.services) {
    const ports = service.ports.flatMap((port): ServedPort[] => {
      if (port.protocol === "SCTP") return [];
      const protocol = port.protocol === "TCP" ? "tcp" : "udp";
      return [{ protocol, port: port.port, served: ready?.(key).ports.has(port.name) ?? true }];
    });
    for (const text of service.clusterIPs) {
      const address = parseAddress(text);
      if (address) captured.set(address.text, ports);
    }
  }
  return captured;
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
