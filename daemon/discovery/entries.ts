import type { Service } from "../../kube/objects/objects.ts";
import type { ForeignRule, ServiceEntry } from "../../wire/control.ts";
import type { UnreachableAddress } from "../../wire/unreachable.ts";
import type { VirtualAddress } from "../../wire/virtual.ts";
import { isWithin } from "../../net/range.ts";
import type { ServiceNames } from "../../names/zone/zone_data.ts";
import { readiness, type Topology } from "./topology.ts";

/** What a cluster's Services are shown with. */
export interface ShownCluster {
  readonly cluster: string;
  readonly topology: Topology;
  readonly names: readonly ServiceNames[];
  readonly unreachable: readonly UnreachableAddress[];
  readonly virtual: readonly VirtualAddress[];
  /** Ranges that were accepted for the cluster, in CIDR notation. */
  readonly acceptedRanges: readonly string[];
  /** Why an ExternalName leads nowhere, by "namespace/name". */
  readonly problems: ReadonlyMap<string, readonly string[]>;
  /** The id of this laptop's intercept of a Service. */
  own(namespace: string, service: string): string | undefined;
  /** The rules that a Service has from other laptops. */
  others(namespace: string, service: string): readonly ForeignRule[];
}

/** A cluster's Services, as people see them, by namespace and name. */
export function serviceEntries(
  { cluster, topology, names, unreachable, virtual, acceptedRanges, problems, own, others }: ShownCluster,
): ServiceEntry[] {
  const ready = readiness(topology.slices ?? new Map());
  const addresses = new Map(names.map((one) => [`${one.namespace}/${one.name}`, one.addresses]));
  const missing = Map.groupBy(unreachable, ({ service }) => service);
  const replaced = Map.groupBy(virtual, ({ service }) => service);
  const entries = [...topology.services].map(([key, service]): ServiceEntry => {
    const { namespace, name } = service;
    const intercept = own(namespace, name);
    const foreignRules = others(namespace, name);
    const lacks = missing.get(key);
    const virtual = replaced.get(key);
    const reached = addresses.get(key) ?? [];
    const accepted = acceptedRanges.find((range) => reached.some((one) => isWithin(one, [range])));
    return {
      cluster,
      namespace,
      name,
      hostname: `${name}.${namespace}.svc`,
      addresses: reached,
      ...(virtual === undefined ? {} : { virtual }),
      ...(lacks === undefined ? {} : { unreachable: lacks }),
      ...(accepted === undefined ? {} : { acceptedRange: accepted }),
      ports: service.ports.map(({ name, port, protocol }) => ({ ...(name ? { name } : {}), port, protocol })),
      readyEndpoints: ready(key).endpoints,
      type: typeOf(service),
      ...(service.externalName === undefined ? {} : { externalName: service.externalName }),
      ...(problems.has(key) ? { problems: problems.get(key) } : {}),
      ...(intercept === undefined ? {} : { intercepted: intercept }),
      ...(foreignRules.length === 0
        ? {}
        : { interceptedBy: [...new Set(foreignRules.map(({ user }) => user))], foreignRules }),
    };
  });
  return entries.sort((a, b) => a.namespace.localeCompare(b.namespace) || a.name.localeCompare(b.name));
}

function typeOf(service: Service): ServiceEntry["type"] {
  return service.headless ? "Headless" : service.type;
}
