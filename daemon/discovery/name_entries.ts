import type { CustomName, NameEntry } from "../../wire/control.ts";
import type { ServiceNames, ZoneData } from "../../names/zone/zone_data.ts";

/** Every name that answers, with its addresses: the Services of all clusters, and the user's own domains. */
export function nameEntries(zones: readonly ZoneData[], custom: readonly CustomName[]): NameEntry[] {
  const services = zones.flatMap((zone) =>
    zone.services.map((service): NameEntry => ({
      name: `${service.name}.${service.namespace}.svc`,
      addresses: service.addresses,
      custom: false,
      target: service.externalName ?? `${service.name}.${service.namespace}`,
      cluster: zone.cluster,
    }))
  );
  const own = custom.map((name): NameEntry => {
    const [cluster, service] = serving(zones, name);
    return {
      name: name.domain,
      addresses: service?.addresses ?? [],
      custom: true,
      target: `${name.service}.${name.namespace}`,
      cluster: cluster ?? name.context ?? "",
    };
  });
  return [
    ...services.sort((a, b) => a.name.localeCompare(b.name)),
    ...own.sort((a, b) => a.name.localeCompare(b.name)),
  ];
}

function serving(zones: readonly ZoneData[], name: CustomName): [string, ServiceNames] | [] {
  for (const zone of zones) {
    if (name.context !== undefined && name.context !== zone.context) continue;
    const service = zone.services.find((one) =>
      one.name === name.service && one.namespace === name.namespace
    );
    if (service) return [zone.cluster, service];
  }
  return [];
}
