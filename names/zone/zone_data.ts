/** A cluster's names as plain data, for postMessage to the workers. Addresses are in their canonical form. */

/** A port by its name. An endpoint's may lack a number, which means any. */
export interface NamedPort {
  readonly name?: string;
  readonly port?: number;
  readonly protocol: string;
}

/** Endpoints that are ready and share their ports: those of one EndpointSlice, or of several with the same ports. */
export interface EndpointGroup {
  readonly ports: readonly NamedPort[];
  /** `hostname` as in the slices (a StatefulSet's pods have one); without addresses where none is reached. */
  readonly endpoints: readonly { readonly hostname?: string; readonly addresses: readonly string[] }[];
}

/** What a Service's names lead to. */
export interface ServiceNames {
  readonly namespace: string;
  readonly name: string;
  /** Addresses by which the laptop reaches it; for a headless Service those of its endpoints. */
  readonly addresses: readonly string[];
  readonly ports: readonly { readonly name?: string; readonly port: number; readonly protocol: string }[];
  /** The target of an ExternalName. */
  readonly externalName?: string;
  /** Its own name leads to its endpoints, and not to an address of its own. */
  readonly headless?: true;
  readonly endpoints?: readonly EndpointGroup[];
}

/** All addresses that a Service's names lead to. */
export function addressesIn(names: ServiceNames | undefined): Set<string> {
  const endpoints = (names?.endpoints ?? []).flatMap((group) => group.endpoints);
  return new Set([...names?.addresses ?? [], ...endpoints.flatMap(({ addresses }) => addresses)]);
}

/** The parts of a cluster that its names are made of. */
export interface ZoneIdentity {
  /** The cluster's id. */
  readonly cluster: string;
  /** Its context in the kubeconfig: `service.namespace.svc.CONTEXT` always means this cluster. */
  readonly context: string;
  /** "cluster.local" */
  readonly clusterDomain: string;
  /** The connection's own namespace, whose Services have single-label names. */
  readonly namespace: string;
  /** The only namespace of which all names are known; without it that holds for all namespaces. */
  readonly onlyNamespace?: string;
}

/** All names of a cluster. Clusters are asked in the order in which they were first set. */
export interface ZoneData extends ZoneIdentity {
  readonly services: readonly ServiceNames[];
}

/** A change of some Services of a cluster. */
export interface ZoneChange {
  readonly cluster: string;
  /** New ones, and changed ones with all that they have now. */
  readonly set: readonly ServiceNames[];
  readonly removed: readonly { readonly namespace: string; readonly name: string }[];
}

/** A domain that the user chose for a Service; "*.shop.example" for all names below it. */
export interface CustomDomain {
  readonly domain: string;
  readonly namespace: string;
  readonly service: string;
  /** The cluster's context; without it the first cluster that has the Service. */
  readonly context?: string;
}

/** The laptop's own name, and the domains with which it completes names. */
export interface Surroundings {
  readonly hostname: string;
  readonly searchDomains: readonly string[];
}
