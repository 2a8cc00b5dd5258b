import { endpointLabel } from "../../names/zone/service_part.ts";
import type { EndpointGroup, ServiceNames } from "../../names/zone/zone_data.ts";
import { parseAddress } from "../../net/address.ts";

/**
 * A Service's names with the addresses by which programs reach it. One that has none left is still known by name: it exists, and
 * has no address here, which is an answer of its own in DNS.
 * @param reachedAt the address by which programs reach one of the cluster's: itself, or a virtual one; undefined where it isn't reached
 */
export function reachableNames(
  service: ServiceNames,
  reachedAt: (address: string) => string | undefined,
): ServiceNames {
  const groups = service.endpoints ?? [];
  const isItself = (address: string) => reachedAt(address) === address;
  const asTheyAre = groups.every(({ endpoints }) =>
    endpoints.every(({ addresses }) => addresses.every(isItself))
  );
  if (asTheyAre && service.addresses.every(isItself)) return service;
  return {
    ...service,
    addresses: service.addresses.flatMap((address) => reachedAt(address) ?? []),
    ...(service.endpoints && {
      endpoints: groups.map(({ ports, endpoints }) => ({
        ports,
        endpoints: endpoints.flatMap((endpoint) => reachedEndpoint(endpoint, reachedAt)),
      })),
    }),
  };
}

type Endpoint = EndpointGroup["endpoints"][number];

/** An endpoint without a hostname is called by its own address, whatever it is reached at. */
function reachedEndpoint(endpoint: Endpoint, reachedAt: (address: string) => string | undefined): Endpoint[] {
  const reached = endpoint.addresses.map((address) => [address, reachedAt(address)] as const);
  const virtual = endpoint.hostname === undefined
    ? reached.filter(([address, at]) => at !== undefined && at !== address)
    : [];
  const rest = reached.flatMap(([address, at]) =>
    at === undefined || virtual.some(([one]) => one === address) ? [] : [at]
  );
  const named = virtual.flatMap(([address, at = ""]): Endpoint[] => {
    const parsed = parseAddress(address);
    return parsed ? [{ hostname: endpointLabel(endpoint, parsed), addresses: [at] }] : [];
  });
  return rest.length > 0 || named.length === 0 ? [{ ...endpoint, addresses: rest }, ...named] : named;
}
