/** What the daemon knows of a cluster's names: plain data, so that it goes to the names worker by postMessage. */

/** A Service as far as names are concerned. */
export interface ServiceNames {
  readonly namespace: string;
  readonly name: string;
  /** Addresses by which the laptop reaches it, as text: captured or virtual ones; a headless Service's: its pods'. */
  readonly addresses: readonly string[];
  readonly ports: readonly { readonly name?: string; readonly port: number; readonly protocol: string }[];
  /** The target of an ExternalName. */
  readonly externalName?: string;
  /** A headless Service's pods; `hostname` as in its EndpointSlices (a StatefulSet's pods have one). */
  readonly headless?: readonly { readonly hostname?: string; readonly addresses: readonly string[] }[];
}

/** A cluster, as far as its names say so. */
export interface ZoneIdentity {
  /** The cluster's id. */
  readonly cluster: string;
  /** The kubeconfig's name for it: `service.namespace.svc.CONTEXT` works whatever other clusters are connected. */
  readonly context: string;
  /** "cluster.local" */
  readonly clusterDomain: string;
  /** The connection's own namespace: its Services have single-label names. */
  readonly namespace: string;
}

/** A cluster's names, whole. Clusters are asked in the order in which they were first set. */
export interface ZoneData extends ZoneIdentity {
  readonly services: readonly ServiceNames[];
}

/** What has changed in a cluster's Services since. */
export interface ZoneChange {
  readonly cluster: string;
  /** New or changed ones, each whole. */
  readonly set: readonly ServiceNames[];
  readonly removed: readonly { readonly namespace: string; readonly name: string }[];
}

/** A domain of the user's choice for a Service; "*.shop.example" for all names below. */
export interface CustomDomain {
  readonly domain: string;
  readonly namespace: string;
  readonly service: string;
  /** The cluster's context; absent: the first cluster that has the Service. */
  readonly context?: string;
}

/** What the laptop itself is called, and which domains it completes names with. */
export interface Surroundings {
  readonly hostname: string;
  readonly searchDomains: readonly string[];
}
