import type { Service } from "../../kube/objects/objects.ts";
import type { ServiceEntry } from "../../wire/control.ts";
import type { ServiceNames } from "../../names/zone/zone_data.ts";
import { readiness, type Topology } from "./topology.ts";

/** A cluster's Services, as people see them, by namespace and name. */
export function serviceEntries(
  cluster: string,
  topology: Topology,
  names: readonly ServiceNames[],
  problems: ReadonlyMap<string, readonly string[]>,
  intercepted: (namespace: string, service: string) => string | undefined,
): ServiceEntry[] {
  const ready = readiness(topology.slices ?? new Map());
  const addresses = new Map(names.map((one) => [`${one.namespace}/${one.name}`, one.addresses]));
  const entries = [...topology.services].map(([key, service]): ServiceEntry => {
    const { namespace, name } = service;
    const intercept = intercepted(namespace, name);
    return {
      cluster,
      namespace,
      name,
      hostname: `${name}.${namespace}.svc`,
      addresses: addresses.get(key) ?? [],
      ports: service.ports.map(({ name, port, protocol }) => ({ ...(name ? { name } : {}), port, protocol })),
      readyEndpoints: ready(key).endpoints,
      type: typeOf(service),
      ...(service.externalName === undefined ? {} : { externalName: service.externalName }),
      ...(problems.has(key) ? { problems: problems.get(key) } : {}),
      ...(intercept === undefined ? {} : { intercepted: intercept }),
    };
  });
  return entries.sort((a, b) => a.namespace.localeCompare(b.namespace) || a.name.localeCompare(b.name));
}

function typeOf(service: Service): ServiceEntry["type"] {
  return service.headless ? "Headless" : service.type;
}
