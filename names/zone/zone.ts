/**
 * The names that pmz answers: those of the clusters, as far as all of them are known, and the user's custom domains. All other names
 * are left to the laptop's own nameserver.
 */
import { canonical, isName, parseDomain } from "../../dns/domain_name.ts";
import { IN, type Question, type Resource, types } from "../../dns/message.ts";
import { aliasResource, pointerResource, reversedAddress, textResource } from "../../dns/resource.ts";
import { type IpAddress, parseAddress } from "../../net/address.ts";
import { ClusterNames } from "./cluster_names.ts";
import {
  belowDomain,
  isKnown,
  namespaceIn,
  type Owner,
  ownerOf,
  serviceCalled,
  type ServiceOwner,
  without,
} from "./owner.ts";
import { isPublicTld } from "./public_tlds.ts";
import { absent, addressRecords, type Answer, found, serviceRecords } from "./records.ts";
import { whyReserved } from "./reserved_names.ts";
import type { CustomDomain, ServiceNames, Surroundings, ZoneChange, ZoneData } from "./zone_data.ts";

export type { Answer } from "./records.ts";

/** What the proxy dials for a name: addresses of the cluster, or what an ExternalName leads to in no cluster. */
export type Located =
  | { readonly cluster: string; readonly addresses: readonly IpAddress[] }
  | { readonly cluster: string; readonly outside: string };

export interface ZoneOptions {
  /** Addresses that no cluster's name may lead to: the laptop's own and those of its networks. */
  readonly forbidden?: (address: IpAddress) => boolean;
  /** Whether an address is one of the cluster's that this laptop reaches: a pod's name leads to no other. */
  readonly isReached?: (cluster: string, address: string) => boolean;
}

/** The most ExternalNames in a row. */
const LONGEST_CHAIN = 8;
/** Labels of the longest name that a pod may write without an end: _port._protocol.service.namespace. */
const MOST_SHORT_LABELS = 4;
/** Names that one address leads back to. */
const MOST_POINTERS = 16;
/** Kubernetes' specification of DNS-based service discovery that is followed. */
const VERSION = "1.1.0";

export class Zone {
  readonly #clusters = new Map<string, ClusterNames>();
  #custom: ReadonlyMap<string, CustomDomain> = new Map();
  #hostname = "";
  #searchDomains: readonly string[] = [];
  #reserved: ReadonlySet<string> = new Set();
  readonly #forbidden: (address: IpAddress) => boolean;
  readonly #isReached: (cluster: string, address: string) => boolean;

  constructor({ forbidden = () => false, isReached = () => false }: ZoneOptions = {}) {
    this.#forbidden = forbidden;
    this.#isReached = isReached;
  }

  /** Replaces all names of a cluster. */
  set(data: ZoneData): void {
    this.#clusters.set(data.cluster, new ClusterNames(data));
  }

  /** Changes some Services of a cluster; without effect on a cluster that wasn't set. */
  change(change: ZoneChange): void {
    this.#clusters.get(change.cluster)?.change(change);
  }

  delete(cluster: string): void {
    this.#clusters.delete(cluster);
  }

  /** Forgets all clusters; custom domains stay. */
  clear(): void {
    this.#clusters.clear();
  }

  /** Replaces all custom domains; those that aren't valid names are left out. */
  setCustom(domains: readonly CustomDomain[]): void {
    this.#custom = new Map(domains.flatMap((custom) => {
      const domain = parseDomain(custom.domain, { wildcard: true });
      return domain ? [[domain, custom]] : [];
    }));
  }

  setSurroundings({ hostname, searchDomains }: Surroundings): void {
    this.#hostname = canonical(hostname);
    this.#searchDomains = searchDomains.flatMap((domain) => parseDomain(domain) ?? []);
    this.#reserved = new Set(this.#searchDomains.flatMap((domain) => domain.split(".").at(-1) ?? []));
  }

  /** Whether names that end in this label are another owner's: no short name such as `service.namespace` ends in it. */
  isReserved(label: string): boolean {
    return isPublicTld(label) || this.#reserved.has(label);
  }

  /** pmz's answer; "not-ours" when the question is for the laptop's own nameserver. */
  answer(question: Question): Answer | "not-ours" {
    if (question.class !== IN || question.type === types.AXFR || question.type === types.IXFR) {
      return "not-ours";
    }
    const labels = labelsIn(question.name);
    if (labels.at(-1) === "arpa") return this.#pointer(question, labels);
    const owner = this.#owner(labels);
    if (owner === undefined) return "not-ours";
    return owner === "absent" ? absent(question.name) : this.#records(question, owner);
  }

  /**
   * Whether a name is one that pmz answers, completed with a search domain of the laptop: a resolver asks for it on its way to the
   * name that is meant.
   */
  isCompleted(name: string): boolean {
    return this.#completed(labelsIn(name)).some((labels) =>
      this.#customOwner(labels) !== undefined || this.#shortOwner(labels) !== undefined
    );
  }

  /** What the proxy dials for a name; undefined for one that isn't a cluster's, or has no address there. */
  locate(name: string): Located | undefined {
    let owner = this.#owner(labelsIn(name.replace(/\.$/, "")));
    for (let i = 0; i < LONGEST_CHAIN; i++) {
      if (owner === undefined || owner === "absent") return undefined;
      if (owner.kind === "pod") return { cluster: owner.names.cluster, addresses: [owner.address] };
      if (owner.kind !== "service") return undefined;
      const { names, names: { cluster }, service: { externalName }, places } = owner;
      if (externalName === undefined) {
        const addresses = new Map(places.map(({ address }) => [address.text, address]));
        return { cluster, addresses: [...addresses.values()] };
      }
      const outside = parseDomain(externalName);
      owner = this.#targetOwner(outside, names);
      if (owner === undefined && outside !== undefined) return { cluster, outside };
    }
    return undefined;
  }

  /** Why the name of an ExternalName leads nowhere; undefined for any other name, and where no reason is known. */
  whyNowhere(name: string): string | undefined {
    const labels = labelsIn(name.replace(/\.$/, ""));
    for (const names of this.#clusters.values()) {
      const below = belowDomain(labels, names) ?? [];
      for (const one of [below, [...labels, names.namespace, "svc"], [...labels, "svc"]]) {
        const { externalName } = serviceCalled(names, one) ?? {};
        if (externalName !== undefined) return this.deadEnd(externalName, names.cluster);
      }
    }
    return undefined;
  }

  /**
   * Why an ExternalName with this target has no address in any cluster, nor out of them; undefined where none is known.
   * @param cluster that of the ExternalName
   */
  deadEnd(externalName: string, cluster: string): string | undefined {
    if (parseAddress(externalName)) return `${externalName} looks like an address: DNS has no such name`;
    const seen = new Set<string>();
    for (let [next, names] = [externalName, this.#clusters.get(cluster)];;) {
      const target = parseDomain(next);
      if (target === undefined) return `${next} is not a valid name`;
      if (seen.has(target)) return `the ExternalNames lead in a circle: ${[...seen, target].join(" -> ")}`;
      if (seen.size === LONGEST_CHAIN) {
        return `more than ${LONGEST_CHAIN} ExternalNames in a row aren't followed`;
      }
      seen.add(target);
      const owner = this.#targetOwner(target, names);
      if (owner === "absent") {
        return `${target} doesn't exist: no Service has this name, or a headless one has no endpoint for it`;
      }
      if (owner?.kind !== "service" || owner.service.externalName === undefined) return undefined;
      [next, names] = [owner.service.externalName, owner.names];
    }
  }

  /**
   * What a name stands for; "absent" for one that is a cluster's and doesn't exist, undefined for one that is no cluster's.
   * @param cluster the one that is asked before the others
   */
  owner(name: string, cluster?: string): Owner | "absent" | undefined {
    const first = cluster === undefined ? undefined : this.#clusters.get(cluster);
    return this.#owner(labelsIn(name.replace(/\.$/, "")), first);
  }

  #owner(labels: readonly string[], first?: ClusterNames): Owner | "absent" | undefined {
    if (labels.length === 0 || whyReserved(labels.join("."), this.#hostname) !== undefined) return undefined;
    return this.#customOwner(labels) ?? this.#domainOwner(labels, first) ?? this.#shortOwner(labels) ??
      (this.#completed(labels).some((one) => this.#isClusters(one)) ? "absent" : undefined);
  }

  /**
   * The owner of a name that ends as a cluster's names do. It is absent when all clusters that could have it know that they don't.
   * @param first the cluster that is asked before the others
   */
  #domainOwner(labels: readonly string[], first?: ClusterNames): Owner | "absent" | undefined {
    let [asked, unknown] = [0, 0];
    for (const names of new Set([...first ? [first] : [], ...this.#clusters.values()])) {
      const below = belowDomain(labels, names);
      if (!below) continue;
      const owner = ownerOf(names, below, this.#isReached);
      if (owner) return owner;
      asked++;
      if (!isKnown(below, names)) unknown++;
    }
    return asked > 0 && unknown === 0 ? "absent" : undefined;
  }

  /** The owner of a name that a pod of the connection's own namespace could write without its end, by the search list of pods. */
  #shortOwner(labels: readonly string[]): ServiceOwner | undefined {
    const last = labels.at(-1);
    if (last === undefined || labels.length > MOST_SHORT_LABELS) return undefined;
    if (labels.length > 1 && this.isReserved(last)) return undefined;
    for (const names of this.#clusters.values()) {
      for (const end of [[names.namespace, "svc"], ["svc"]]) {
        const owner = ownerOf(names, [...labels, ...end], this.#isReached);
        if (owner?.kind === "service") return owner;
      }
    }
    return undefined;
  }

  /** Whether a name can only be meant for a cluster: it ends in a cluster's domain, or in a namespace of it and `svc`. */
  #isClusters(labels: readonly string[]): boolean {
    return [...this.#clusters.values()].some((names) => {
      if (without(labels, names.clusterDomain)) return true;
      const below = belowDomain(labels, names);
      const namespace = below && below.length > 2 ? namespaceIn(below) : undefined;
      return namespace !== undefined && names.hasNamespace(namespace);
    });
  }

  /** The names from which a resolver may have made this one, by each search domain that it ends with. */
  #completed(labels: readonly string[]): (readonly string[])[] {
    return this.#searchDomains.flatMap((domain) => {
      const before = without(labels, domain);
      return before && before.length > 0 ? [before] : [];
    });
  }

  #customOwner(labels: readonly string[]): Owner | undefined {
    if (this.#custom.size === 0 || this.#clusters.size === 0) return undefined;
    let custom = this.#custom.get(labels.join("."));
    for (let i = 1; !custom && i < labels.length; i++) {
      custom = this.#custom.get(`*.${labels.slice(i).join(".")}`);
    }
    if (!custom) return undefined;
    const { context, namespace, service } = custom;
    const clusters = [...this.#clusters.values()].filter((names) =>
      context === undefined || names.context === context
    );
    if (clusters.length === 0) return undefined;
    for (const names of clusters) {
      const owner = ownerOf(names, [service, namespace, "svc"], this.#isReached);
      if (owner) return owner;
    }
    // The domain is the user's own, so the nameserver isn't asked.
    return { kind: "nothing" };
  }

  /**
   * The owner of an ExternalName's target: short names mean nothing there.
   * @param names those of the ExternalName's cluster: a name that several clusters have means that one's
   */
  #targetOwner(target: string | undefined, names: ClusterNames | undefined): Owner | "absent" | undefined {
    const labels = labelsIn(target ?? "");
    return this.#customOwner(labels) ?? this.#domainOwner(labels, names);
  }

  #records(question: Question, owner: Owner): Answer {
    const { name, type } = question;
    switch (owner.kind) {
      case "nothing":
        return found(name, []);
      case "version":
        return type === types.TXT ? found(name, [textResource(name, VERSION)]) : absent(name);
      case "pod":
        return found(name, addressRecords(name, type, this.#allowed([owner.address])));
      case "service": {
        const { names, service, places } = owner;
        if (service.externalName !== undefined) return this.#alias(question, service.externalName, names);
        if (type === types.SRV) {
          const allowed = places.filter(({ address }) => !this.#forbidden(address));
          return serviceRecords(name, this.#fullName(names, service), allowed);
        }
        return found(name, addressRecords(name, type, this.#allowed(places.map(({ address }) => address))));
      }
    }
  }

  #allowed(addresses: readonly IpAddress[]): IpAddress[] {
    return addresses.filter((address) => !this.#forbidden(address));
  }

  /** An ExternalName: CNAMEs while they lead to names of pmz, then the records there, or the name outside. */
  #alias(question: Question, externalName: string, of: ClusterNames): Answer {
    const { type } = question;
    if (type !== types.A && type !== types.AAAA && type !== types.CNAME) return found(question.name, []);
    const chain: Resource[] = [];
    let [name, target, names] = [question.name, parseDomain(externalName), of];
    while (target && chain.length < LONGEST_CHAIN) {
      chain.push(aliasResource(name, target));
      if (type === types.CNAME) return found(question.name, chain);
      const owner = this.#targetOwner(target, names);
      if (owner === undefined) return { answers: chain, authorities: [], additionals: [], outside: target };
      if (owner === "absent") break;
      const next = owner.kind === "service" ? owner.service.externalName : undefined;
      if (owner.kind !== "service" || next === undefined) {
        const rest = this.#records({ ...question, name: target }, owner);
        return rest.answers.length > 0
          ? { ...rest, answers: [...chain, ...rest.answers] }
          : found(question.name, []);
      }
      [name, target, names] = [target, parseDomain(next), owner.names];
    }
    // The target isn't a valid name, doesn't exist, or the chain is a loop.
    return found(question.name, []);
  }

  #pointer(question: Question, labels: readonly string[]): Answer | "not-ours" {
    const address = reversedAddress(labels);
    if (!address) return "not-ours";
    const targets = new Set<string>();
    for (const names of this.#clusters.values()) {
      for (const { service, endpoint } of names.owners(address)) {
        const full = this.#fullName(names, service);
        targets.add(endpoint === undefined ? full : `${endpoint}.${full}`);
      }
    }
    if (targets.size === 0) return "not-ours";
    const wanted = question.type === types.PTR ? [...targets].filter(isName).slice(0, MOST_POINTERS) : [];
    return found(question.name, wanted.map((target) => pointerResource(question.name, target)));
  }

  /** The full name of a Service, which leads back to it: under the cluster's domain, or its context when a cluster before it has the same domain. */
  #fullName(names: ClusterNames, service: ServiceNames): string {
    const first = [...this.#clusters.values()].find(({ clusterDomain }) =>
      clusterDomain === names.clusterDomain
    );
    const suffix = first === names ? names.clusterDomain : names.contextDomain ?? names.clusterDomain;
    return `${service.name}.${service.namespace}.svc.${suffix}`;
  }
}

/** The labels in lower case; empty for the root and for names with bytes that no Kubernetes name has. */
function labelsIn(name: string): string[] {
  return name === "" || name.includes("\\") ? [] : canonical(name).split(".");
}
