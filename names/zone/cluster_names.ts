/** The names of one cluster: a Service is found by namespace and name, so a change of one Service costs one Service. */
import type { IpAddress } from "../../net/address.ts";
import { canonical, parseDomain } from "../../dns/domain_name.ts";
import { endpointLabel } from "./service_part.ts";
import { addressesIn, type ServiceNames, type ZoneChange, type ZoneData } from "./zone_data.ts";

/** The owner of an address: a Service, or one of its endpoints by its label. */
export interface AddressOwner {
  readonly service: ServiceNames;
  readonly endpoint?: string;
}

export class ClusterNames {
  readonly cluster: string;
  readonly context: string;
  readonly namespace: string;
  readonly clusterDomain: string;
  /** The context as the end of a name; undefined when no valid name can be made of it. */
  readonly contextDomain: string | undefined;
  readonly #onlyNamespace: string | undefined;
  readonly #services = new Map<string, ServiceNames>();
  /** By namespace, how many Services it has. */
  readonly #namespaces = new Map<string, number>();
  /** By address, the keys of the Services that have it. */
  readonly #byAddress = new Map<string, Set<string>>();

  constructor(data: ZoneData) {
    this.cluster = data.cluster;
    this.context = data.context;
    this.namespace = data.namespace;
    this.#onlyNamespace = data.onlyNamespace;
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

  /** Whether a namespace is known to exist: it has a Service, or is the connection's own. */
  hasNamespace(namespace: string): boolean {
    return namespace === this.namespace || this.#namespaces.has(namespace);
  }

  /** Whether all names of a namespace are known, so that one that isn't here doesn't exist. */
  knowsAllOf(namespace: string): boolean {
    return this.#onlyNamespace === undefined || namespace === this.#onlyNamespace;
  }

  /** The owners of an address: the Service that has it for its own, else all endpoints there, as in CoreDNS. */
  owners(address: IpAddress): AddressOwner[] {
    const services = [...this.#byAddress.get(address.text) ?? []].flatMap((key) =>
      this.#services.get(key) ?? []
    );
    const own = services.find((service) => !service.headless && has(service, address));
    if (own) return [{ service: own }];
    return services.flatMap((service) => {
      const endpoints = (service.endpoints ?? []).flatMap((group) => group.endpoints);
      return endpoints.filter((one) => has(one, address)).map((one) => ({
        service,
        endpoint: endpointLabel(one, address),
      }));
    });
  }

  #set(service: ServiceNames): void {
    const { namespace, name } = service;
    const key = keyOf(namespace, name);
    const before = this.#services.get(key);
    this.#services.set(key, service);
    if (!before) this.#namespaces.set(namespace, (this.#namespaces.get(namespace) ?? 0) + 1);
    this.#moveAddresses(key, before, service);
  }

  #remove(key: string): void {
    const service = this.#services.get(key);
    if (!service) return;
    this.#services.delete(key);
    const left = (this.#namespaces.get(service.namespace) ?? 0) - 1;
    if (left > 0) this.#namespaces.set(service.namespace, left);
    else this.#namespaces.delete(service.namespace);
    this.#moveAddresses(key, service, undefined);
  }

  #moveAddresses(key: string, before: ServiceNames | undefined, now: ServiceNames | undefined): void {
    const [old, current] = [addressesIn(before), addressesIn(now)];
    for (const address of old.difference(current)) {
      const keys = this.#byAddress.get(address);
      keys?.delete(key);
      if (keys?.size === 0) this.#byAddress.delete(address);
    }
    for (const address of current.difference(old)) {
      const keys = this.#byAddress.get(address);
      if (keys) keys.add(key);
      else this.#byAddress.set(address, new Set([key]));
    }
  }
}

/** Kubernetes' names of namespaces and Services are DNS labels, so a slash can't be part of them. */
const keyOf = (namespace: string, name: string): string => `${namespace}/${name}`;

function has({ addresses }: { readonly addresses: readonly string[] }, { text }: IpAddress): boolean {
  return addresses.includes(text);
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
