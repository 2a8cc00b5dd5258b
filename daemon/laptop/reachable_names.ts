import type { ServiceNames } from "../../names/zone/zone_data.ts";

/**
 * A Service's names with those of its addresses that are captured. One that has none left is still known by name: it exists, and
 * has no address here, which is an answer of its own in DNS.
 */
export function reachableNames(
  service: ServiceNames,
  isCaptured: (address: string) => boolean,
): ServiceNames {
  if (service.addresses.every(isCaptured)) return service;
  const { headless } = service;
  return {
    ...service,
    addresses: service.addresses.filter(isCaptured),
    ...(headless && {
      headless: headless.map((pod) => ({ ...pod, addresses: pod.addresses.filter(isCaptured) }))
        .filter(({ addresses }) => addresses.length > 0),
    }),
  };
}
