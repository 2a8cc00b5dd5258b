import { readiness, type Topology } from "../discovery/topology.ts";
import type { Service, ServicePort } from "../../kube/objects/objects.ts";
import type { ServiceNames } from "../../names/zone/zone_data.ts";

/** A Service's port that something serves, at an address that this laptop reaches. */
export interface Reachable {
  readonly service: Service;
  /** With the port that is dialled: of a headless Service, its pods' own. */
  readonly port: ServicePort;
  readonly address: string;
}

/** The part of a connection that says what it has. */
interface Connected {
  readonly topology: Topology;
  readonly name: { readonly namespace: string };
}

/**
 * What something serves and this laptop reaches: the connection's own namespace first, and headless Services last there, since a
 * connection to one of those shows nothing of how the cluster's Services are reached.
 * @param names the Services as they answer on this laptop
 */
export function reachableIn({ topology, name }: Connected, names: readonly ServiceNames[]): Reachable[] {
  const ready = topology.slices && readiness(topology.slices);
  const byKey = new Map(names.map((one) => [`${one.namespace}/${one.name}`, one]));
  const all = [...topology.services].flatMap(([key, service]) => {
    const reached = byKey.get(key);
    if (!reached) return [];
    return service.headless
      ? headless(service, reached)
      : reached.addresses.slice(0, 1).flatMap((address) =>
        service.ports
          .filter((port) => port.protocol === "TCP" && (ready?.(key).ports.has(port.name) ?? true))
          .map((port) => ({ service, port, address }))
      );
  });
  const place = ({ service }: Reachable) =>
    (service.namespace === name.namespace ? 0 : 2) + Number(service.headless);
  return all.sort((a, b) => place(a) - place(b));
}

/** For each port of a headless Service, the first endpoint that is reached and serves it. */
function headless(service: Service, { endpoints = [] }: ServiceNames): Reachable[] {
  return service.ports.filter(({ protocol }) => protocol === "TCP").flatMap((port): Reachable[] => {
    for (const group of endpoints) {
      const served = group.ports.find((one) => (one.name ?? "") === port.name && one.protocol === "TCP");
      const address = group.endpoints.find(({ addresses }) => addresses.length > 0)?.addresses[0];
      if (served?.port === undefined || address === undefined) continue;
      return [{ service, port: { ...port, port: served.port }, address }];
    }
    return [];
  });
}
