/**
 * What of a Service a name means, and where that leads, as in the cluster's own DNS: Kubernetes' specification of DNS-based service
 * discovery 1.1.0, and CoreDNS where that leaves something open.
 */
import { type IpAddress, parseAddress } from "../../net/address.ts";
import type { NamedPort, ServiceNames } from "./zone_data.ts";

/** All of a Service, one of its endpoints, or one of its ports. */
export interface ServicePart {
  readonly endpoint?: string;
  readonly port?: string;
  readonly protocol?: string;
}

/** One address and port that a part leads to. */
export interface Place {
  readonly address: IpAddress;
  /** Undefined for an endpoint that serves any port. */
  readonly port?: number;
  /** The endpoint's label; undefined for an address of the Service itself. */
  readonly endpoint?: string;
}

/** Stands for an endpoint that names no port. */
const ANY_PORT: NamedPort = { protocol: "" };

/** The part that the labels before a Service's name mean; undefined when no name has such labels. */
export function servicePart(labels: readonly string[]): ServicePart | undefined {
  const [first = "", second = ""] = labels;
  if (labels.length === 0) return {};
  if (labels.length === 1) return { endpoint: first };
  if (labels.length > 2) return undefined;
  return { port: first.replace(/^_/, ""), protocol: second.replace(/^_/, "") };
}

/** Where a part leads; undefined when the Service has no such part. Empty when it has, and none of it is reached. */
export function placesOf(service: ServiceNames, part: ServicePart): Place[] | undefined {
  if (service.externalName !== undefined) return undefined;
  return service.headless || part.endpoint !== undefined
    ? endpointPlaces(service, part)
    : ownPlaces(service, part);
}

function ownPlaces(service: ServiceNames, part: ServicePart): Place[] | undefined {
  const ports = matching(service.ports, part);
  if (ports.length === 0) return undefined;
  const addresses = addressesOf(service);
  return ports.flatMap(({ port }) => addresses.map((address) => placeOf(address, port)));
}

function endpointPlaces(service: ServiceNames, part: ServicePart): Place[] | undefined {
  const places: Place[] = [];
  let exists = false;
  for (const { ports: all, endpoints } of service.endpoints ?? []) {
    const ports = matching(all, part);
    if (ports.length === 0) continue;
    for (const endpoint of endpoints) {
      if (part.endpoint === undefined || part.endpoint === endpoint.hostname) exists = true;
      for (const address of addressesOf(endpoint)) {
        const label = endpointLabel(endpoint, address);
        if (part.endpoint !== undefined && part.endpoint !== label) continue;
        exists = true;
        for (const { port } of ports) places.push(placeOf(address, port, label));
      }
    }
  }
  return exists ? places : undefined;
}

function placeOf(address: IpAddress, port: number | undefined, endpoint?: string): Place {
  return {
    address,
    ...(port === undefined ? {} : { port }),
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}

/** The ports that a part means. Whatever has no ports at all is meant where none is named. */
function matching(ports: readonly NamedPort[], { port, protocol }: ServicePart): readonly NamedPort[] {
  return (ports.length > 0 ? ports : [ANY_PORT]).filter((one) =>
    (!port || one.name?.toLowerCase() === port) &&
    (!protocol || one.protocol.toLowerCase() === protocol)
  );
}

/** An endpoint's label under its Service: its hostname, or else its address with dashes, as in CoreDNS. */
export function endpointLabel(endpoint: { readonly hostname?: string }, address: IpAddress): string {
  return endpoint.hostname ?? address.text.replace(/[.:]/g, "-").replace(/-$/, "-0");
}

/** The addresses in `holder` that are valid. */
export function addressesOf(holder: { readonly addresses: readonly string[] }): IpAddress[] {
  return holder.addresses.flatMap((text) => parseAddress(text) ?? []);
}
