/** A cluster's names as plain data, for postMessage to the workers. */

/** What a Service's names lead to. */
export interface ServiceNames {
  readonly namespace: string;
  readonly name: string;
  /** Addresses by which the laptop reaches it; for a headless Service those of its pods. */
  readonly addresses: readonly string[];
  readonly ports: readonly { readonly name?: string; readonly port: number; readonly protocol: string }[];
  /** The target of an ExternalName. */
  readonly externalName?: string;
  /** A headless Service's pods; `hostname` as in its EndpointSlices (a StatefulSet's pods have one). */
  readonly headless?: readonly { readonly hostname?: string; readonly addresses: readonly string[] }[];
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
