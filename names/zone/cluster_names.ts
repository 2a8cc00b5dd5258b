/** The names of one cluster: a Service is found by namespace and name, so a change of one Service costs one Service. */
import { type IpAddress, parseAddress } from "../../net/address.ts";
import { canonical, parseDomain } from "../../dns/domain_name.ts";
import type { ServiceNames, ZoneChange, ZoneData } from "./zone_data.ts";

type Pod = NonNullable<ServiceNames["headless"]>[number];

/** The owner of an address: a Service, or a pod of a headless Service, by its name within the Service. */
export interface AddressOwner {
  readonly service: ServiceNames;
  readonly pod?: string;
}

export class ClusterNames {
  readonly cluster: string;
  readonly context: string;
  readonly namespace: string;
  readonly clusterDomain: string;
  /** The context as the end of a name; undefined when no valid name can be made of it. */
  readonly contextDomain: string | undefined;
  readonly #services = new Map<string, ServiceNames>();
  /** By address, the keys of the Services that have it. */
  readonly #byAddress = new Map<string, Set<string>>();

  constructor(data: ZoneData) {
    this.cluster = data.cluster;
    this.context = data.context;
    this.namespace = data.namespace;
    this.clusterDomain = parseDomain(data.clusterDomain) ?? "cluster.local";
    this.contextDomain = contextDomain(data.context);
    for (const service of data.services) this.#set(service);
  }

  change(change: Pick<ZoneChange, "set" | "removed">): void {
    for (const { namespace, name } of change.removed) this.#remove(keyOf(namespace, name));
    for (const service of change.set) this.#set(service);
  }

  service(namespace: string, name: string): ServiceNames | undefined {
    return this.#services.get(keyOf(namespace, name));
  }

  /** The owners of an address, which several Services may be. */
  owners(address: IpAddress): AddressOwner[] {
    const owners: AddressOwner[] = [];
    for (const key of this.#byAddress.get(address.text) ?? []) {
      const service = this.#services.get(key);
      if (!service) continue;
      if (!service.headless) owners.push({ service });
      for (const pod of service.headless ?? []) {
        if (addressesOf(pod).some(({ text }) => text === address.text)) {
          owners.push({ service, pod: podName(pod, address) });
        }
      }
    }
    return owners;
  }

  #set(service: ServiceNames): void {
    const key = keyOf(service.namespace, service.name);
    this.#remove(key);
    this.#services.set(key, service);
    for (const { text } of allAddresses(service)) {
      const keys = this.#byAddress.get(text);
      if (keys) keys.add(key);
      else this.#byAddress.set(text, new Set([key]));
    }
  }

  #remove(key: string): void {
    const service = this.#services.get(key);
    if (!service) return;
    this.#services.delete(key);
    for (const { text } of allAddresses(service)) {
      const keys = this.#byAddress.get(text);
      keys?.delete(key);
      if (keys?.size === 0) this.#byAddress.delete(text);
    }
  }
}

/** Kubernetes' names of namespaces and Services are DNS labels, so a slash can't be part of them. */
const keyOf = (namespace: string, name: string): string => `${namespace}/${name}`;

/** The addresses in `holder` that are valid. */
export function addressesOf(holder: { readonly addresses: readonly string[] }): IpAddress[] {
  return holder.addresses.flatMap((text) => parseAddress(text) ?? []);
}

function allAddresses(service: ServiceNames): IpAddress[] {
  return [...addressesOf(service), ...(service.headless ?? []).flatMap(addressesOf)];
}

/** A pod's label under its headless Service: its hostname, or else its address with dashes, as in CoreDNS. */
export function podName(pod: Pod, address: IpAddress): string {
  return pod.hostname ?? address.text.replace(/[.:]/g, "-");
}

/** The addresses of a headless Service's pods with this label; undefined when it has no such pod. */
export function podAddresses(service: ServiceNames, label: string): IpAddress[] | undefined {
  const found: IpAddress[] = [];
  for (const pod of service.headless ?? []) {
    for (const address of addressesOf(pod)) if (podName(pod, address) === label) found.push(address);
  }
  return found.length > 0 ? found : undefined;
}

/**
 * A context's name as the end of a domain name: "admin@kind" becomes "admin-kind", and so do an ARN's colons and slashes.
 * Undefined when no valid name can be made of it.
 */
export function contextDomain(context: string): string | undefined {
  const labels = canonical(context).replace(/[^a-z0-9_.-]+/g, "-").split(".");
  const tidy = labels.map((label) => label.replace(/^-+|-+$/g, "")).filter((label) => label !== "");
  return parseDomain(tidy.join("."));
}
