import type { EndpointGroup, ServiceNames } from "../../names/zone/zone_data.ts";

/**
 * A Service's names with those of its addresses that are captured. One that has none left is still known by name: it exists, and
 * has no address here, which is an answer of its own in DNS.
 */
export function reachableNames(
  service: ServiceNames,
  isCaptured: (address: string) => boolean,
): ServiceNames {
  const groups = service.endpoints ?? [];
  const everywhere = groups.every(({ endpoints }) =>
    endpoints.every(({ addresses }) => addresses.every(isCaptured))
  );
  if (everywhere && service.addresses.every(isCaptured)) return service;
  const reached = (holder: EndpointGroup["endpoints"][number]) => ({
    ...holder,
    addresses: holder.addresses.filter(isCaptured),
  });
  return {
    ...service,
    addresses: service.addresses.filter(isCaptured),
    ...(service.endpoints && {
      endpoints: groups.map(({ ports, endpoints }) => ({ ports, endpoints: endpoints.map(reached) })),
    }),
  };
}
