import { isDeepStrictEqual } from "node:util";
import { mayRun } from "../../kube/objects/selectors.ts";
import type { EndpointSlice, Pod, Service } from "../../kube/objects/objects.ts";
import { addressesIn, type ServiceNames } from "../../names/zone/zone_data.ts";
import { parseAddress } from "../../net/address.ts";
import { whyRefused } from "../../net/special_ranges.ts";
import type { CapturedPorts } from "../../wire/helper.ts";
import { MultiMap } from "./multi_map.ts";
import { canonicalAddresses, serviceNames, type SliceEndpoints, sliceEndpoints } from "./service_names.ts";
import { servedPorts, type Topology, type TopologyChange } from "./topology.ts";

/** Addresses, and keys of Services ("namespace/name"), that are not what they were, or are gone. */
export interface IndexChange {
  readonly addresses: ReadonlySet<string>;
  readonly services: ReadonlySet<string>;
}

/** An address that a Service claims, or a headless one has an endpoint at, and that the gateway would never dial. */
export interface RefusedAddress {
  readonly address: string;
  readonly why: string;
}

/**
 * What a cluster has, by address and by name: the clusterIPs of Services, the addresses of pods that aren't on their node's
 * network, and nothing else that the cluster says (no external addresses, no load balancers, no endpoints that are no pods). An
 * address that the gateway never dials is left out. The change of one object costs one object, however large the cluster is.
 */
export class ClusterIndex {
  readonly #addresses = new Map<string, CapturedPorts>();
  readonly #services = new Map<string, ServiceNames>();
  readonly #refused = new Map<string, readonly RefusedAddress[]>();
  /** By pod, its addresses; and the other way round. */
  readonly #addressesOfPod = new Map<string, readonly string[]>();
  readonly #podsAt = new MultiMap<string, string>();
  /** By Service, what each of its clusterIPs answers; and the Services that have a clusterIP. */
  readonly #clusterIPs = new Map<string, ReadonlyMap<string, CapturedPorts>>();
  readonly #clusterIPAt = new MultiMap<string, string>();
  /** By address, the Services whose names lead there. */
  readonly #namesAt = new MultiMap<string, string>();
  /** By address, the slices that have an endpoint there, whether that is a pod's or not; and the other way round. */
  readonly #slicesAt = new MultiMap<string, string>();
  readonly #addressesOfSlice = new Map<string, readonly string[]>();
  /** By slice, what its endpoints lead to, until the slice or one of its pods changes. */
  readonly #endpoints = new Map<string, SliceEndpoints>();
  readonly #serviceOfSlice = new Map<string, string>();
  readonly #slicesOf = new MultiMap<string, string>();
  /** By Service, the TCP ports that a program of this laptop answers. */
  readonly #answeredHere = new MultiMap<string, number>();

  /**
   * Says whether a program of this laptop answers a Service's TCP port: it then counts as served, whatever the cluster has. To be
   * followed by an update with that Service.
   */
  setAnsweredHere(service: string, port: number, isAnswered: boolean): void {
    if (isAnswered) this.#answeredHere.add(service, port);
    else this.#answeredHere.delete(service, port);
  }

  /** Whether a program of this laptop answers some port of a Service. */
  isAnsweredHere(service: string): boolean {
    return this.#answeredHere.has(service);
  }

  /** What answers by address. Live. */
  get addresses(): ReadonlyMap<string, CapturedPorts> {
    return this.#addresses;
  }

  /** What each Service's names lead to, by "namespace/name". Live. */
  get services(): ReadonlyMap<string, ServiceNames> {
    return this.#services;
  }

  /** Addresses that Services claim in vain, by "namespace/name". Live. */
  get refused(): ReadonlyMap<string, readonly RefusedAddress[]> {
    return this.#refused;
  }

  /** The Services whose names lead to an address. */
  servicesAt(address: string): ReadonlySet<string> {
    return this.#namesAt.get(address);
  }

  /** What has an address: a Service ("echo.default.svc"), else a pod ("pod/echo-1.default"). */
  nameAt(address: string): string | undefined {
    const [service] = this.#clusterIPAt.get(address);
    if (service !== undefined) return `${service.split("/").reverse().join(".")}.svc`;
    const [pod] = this.#podsAt.get(address);
    return pod && `pod/${pod.split("/").reverse().join(".")}`;
  }

  /** Takes over what has changed in a topology; what comes of it differs from what was. */
  update(topology: Topology, change: TopologyChange): IndexChange {
    const services = new Set(change.services);
    const addresses = new Set<string>();
    for (const key of change.slices) {
      for (const service of this.#moveSlice(key, topology.slices?.get(key))) services.add(service);
    }
    for (const key of change.pods) {
      for (const address of this.#movePod(key, topology.pods.get(key))) {
        addresses.add(address);
        for (const slice of this.#slicesAt.get(address)) {
          this.#endpoints.delete(slice);
          const service = this.#serviceOfSlice.get(slice);
          if (service !== undefined) services.add(service);
        }
      }
    }
    if (!topology.slices) {
      for (const service of headlessNear(topology, change.pods)) {
        services.add(service);
      }
    }
    const renamed = new Set<string>();
    for (const key of services) {
      if (this.#moveService(key, topology, addresses)) renamed.add(key);
    }
    return {
      addresses: new Set([...addresses].filter((address) => this.#moveAddress(address))),
      services: renamed,
    };
  }

  /** @returns the Services that have, or had, the slice */
  #moveSlice(key: string, slice: EndpointSlice | undefined): string[] {
    const before = this.#serviceOfSlice.get(key);
    const now = slice?.service === undefined ? undefined : `${slice.namespace}/${slice.service}`;
    if (before !== undefined && before !== now) this.#slicesOf.delete(before, key);
    this.#moveEndpoints(key, now === undefined ? undefined : slice);
    if (now === undefined) this.#serviceOfSlice.delete(key);
    else {
      this.#serviceOfSlice.set(key, now);
      this.#slicesOf.add(now, key);
    }
    return [before, now].filter((service) => service !== undefined);
  }

  /** @returns the addresses that the pod has got or lost */
  #movePod(key: string, pod: Pod | undefined): string[] {
    const before = this.#addressesOfPod.get(key) ?? [];
    const now = pod && !pod.hostNetwork && mayRun(pod)
      ? canonicalAddresses(pod.podIPs).filter((address) => whyNeverDialled(address) === undefined)
      : [];
    for (const address of before) this.#podsAt.delete(address, key);
    for (const address of now) this.#podsAt.add(address, key);
    if (now.length > 0) this.#addressesOfPod.set(key, now);
    else this.#addressesOfPod.delete(key);
    return [...new Set(before).symmetricDifference(new Set(now))];
  }

  /** Adds the clusterIPs before and now to `addresses`. @returns whether its names are not what they were */
  #moveService(key: string, topology: Topology, addresses: Set<string>): boolean {
    const service = topology.services.get(key);
    const slices = [...this.#slicesOf.get(key)].flatMap((slice) => topology.slices?.get(slice) ?? []);
    const endpoints = slices.map((slice) => this.#endpointsOf(slice));
    const refused = this.#moveClusterIPs(key, service, topology.slices && slices, addresses);
    if (service?.headless) {
      const unreached = endpoints.flatMap((one) => this.#whyUnreached(topology, one));
      refused.push(...unreached.toSorted(byAddress)); // slices come in any order
    }
    if (refused.length > 0) this.#refused.set(key, refused);
    else this.#refused.delete(key);
    const before = this.#services.get(key);
    const now = service &&
      serviceNames(
        topology,
        service,
        [...this.#clusterIPs.get(key)?.keys() ?? []],
        endpoints.flatMap(({ group }) => group ?? []),
        this.#isPod,
      );
    if (isDeepStrictEqual(before, now)) return false;
    const [old, current] = [addressesIn(before), addressesIn(now)];
    for (const address of old.difference(current)) this.#namesAt.delete(address, key);
    for (const address of current.difference(old)) this.#namesAt.add(address, key);
    if (now) this.#services.set(key, now);
    else this.#services.delete(key);
    return true;
  }

  #moveClusterIPs(
    key: string,
    service: Service | undefined,
    slices: readonly EndpointSlice[] | undefined,
    addresses: Set<string>,
  ): RefusedAddress[] {
    const claimed = new Map<string, CapturedPorts>();
    const refused: RefusedAddress[] = [];
    const here = this.#answeredHere.get(key);
    const ports = (service ? servedPorts(service, slices) : []).map((one) =>
      one.protocol === "tcp" && here.has(one.port) ? { ...one, served: true } : one
    );
    for (const address of canonicalAddresses(service?.clusterIPs ?? [])) {
      const why = whyNeverDialled(address);
      if (why === undefined) claimed.set(address, ports);
      else refused.push({ address, why });
    }
    const before = this.#clusterIPs.get(key)?.keys() ?? [];
    for (const address of before) {
      this.#clusterIPAt.delete(address, key);
      addresses.add(address);
    }
    for (const address of claimed.keys()) {
      this.#clusterIPAt.add(address, key);
      addresses.add(address);
    }
    if (claimed.size > 0) this.#clusterIPs.set(key, claimed);
    else this.#clusterIPs.delete(key);
    return refused;
  }

  readonly #isPod = (address: string): boolean => this.#podsAt.has(address);

  #endpointsOf(slice: EndpointSlice): SliceEndpoints {
    const key = `${slice.namespace}/${slice.name}`;
    const known = this.#endpoints.get(key);
    if (known) return known;
    const endpoints = sliceEndpoints(slice, this.#isPod);
    this.#endpoints.set(key, endpoints);
    return endpoints;
  }

  /** Why endpoints of a headless Service aren't reached. Of a pod that isn't seen yet, or may not be listed, nothing is said. */
  #whyUnreached({ pods }: Topology, { unreached }: SliceEndpoints): RefusedAddress[] {
    return unreached.flatMap(({ address, pod }) => {
      const isNodes = pod !== undefined && pods.get(pod)?.hostNetwork === true;
      if (pod !== undefined && !isNodes) return [];
      const why = whyNeverDialled(address) ??
        (isNodes ? "a node's address, which the gateway never dials" : "an endpoint that is no pod");
      return [{ address, why }];
    });
  }

  #moveEndpoints(key: string, slice: EndpointSlice | undefined): void {
    this.#endpoints.delete(key);
    for (const address of this.#addressesOfSlice.get(key) ?? []) this.#slicesAt.delete(address, key);
    const now = canonicalAddresses(slice?.endpoints.flatMap(({ addresses }) => addresses) ?? []);
    for (const address of now) this.#slicesAt.add(address, key);
    if (now.length > 0) this.#addressesOfSlice.set(key, now);
    else this.#addressesOfSlice.delete(key);
  }

  /** @returns whether the address answers something else than before */
  #moveAddress(address: string): boolean {
    // A Service goes before a pod; a cluster doesn't give one clusterIP to two Services, so which of them counts doesn't matter.
    const [service] = [...this.#clusterIPAt.get(address)].sort();
    const now = service === undefined
      ? this.#podsAt.has(address) ? "any" : undefined
      : this.#clusterIPs.get(service)?.get(address);
    if (isDeepStrictEqual(this.#addresses.get(address), now)) return false;
    if (now === undefined) this.#addresses.delete(address);
    else this.#addresses.set(address, now);
    return true;
  }
}

function byAddress(one: RefusedAddress, other: RefusedAddress): number {
  return one.address.localeCompare(other.address);
}

function whyNeverDialled(text: string): string | undefined {
  const address = parseAddress(text);
  return address && whyRefused("gateway", address);
}

/** The headless Services in the namespaces of these pods: without slices, any of them may have one of the pods. */
function* headlessNear(topology: Topology, pods: ReadonlySet<string>): Generator<string> {
  if (pods.size === 0) return;
  const namespaces = new Set([...pods].map((key) => key.split("/")[0]));
  for (const [key, { headless, namespace }] of topology.services) {
    if (headless && namespaces.has(namespace)) yield key;
  }
}
