/**
 * The names that pmz answers, and their answers: names of Services that exist, and the user's custom domains. All other names are
 * left to the laptop's own nameserver.
 */
import { whyReserved } from "./reserved_names.ts";
import type { IpAddress } from "../../net/address.ts";
import { addressesOf, ClusterNames, podAddresses, podName } from "./cluster_names.ts";
import { canonical, isName, parseDomain } from "../../dns/domain_name.ts";
import { IN, type Question, type Resource, types } from "../../dns/message.ts";
import { isPublicTld } from "./public_tlds.ts";
import {
  addressResource,
  aliasResource,
  negativeResource,
  pointerResource,
  reversedAddress,
  serviceResource,
} from "../../dns/resource.ts";
import type { CustomDomain, ServiceNames, Surroundings, ZoneChange, ZoneData } from "./zone_data.ts";

/** An answer to a question for a name of pmz. */
export interface Answer {
  /** Empty when the name exists without a record of this type; then `authorities` has the SOA that says for how long. */
  readonly answers: readonly Resource[];
  readonly authorities: readonly Resource[];
  readonly additionals: readonly Resource[];
  /** The name outside the cluster to which the last answer, a CNAME, leads; the laptop's own nameserver resolves it. */
  readonly outside?: string;
}

/** What the proxy dials for a name: a Service, or with `pod` one pod of it. */
export interface Located {
  readonly cluster: string;
  readonly service: ServiceNames;
  readonly pod?: string;
  readonly addresses: readonly IpAddress[];
}

type Owner =
  | { readonly kind: "service"; readonly names: ClusterNames; readonly service: ServiceNames }
  | {
    readonly kind: "pod";
    readonly names: ClusterNames;
    readonly service: ServiceNames;
    readonly pod: string;
    readonly addresses: readonly IpAddress[];
  }
  | {
    readonly kind: "port";
    readonly names: ClusterNames;
    readonly service: ServiceNames;
    readonly port: string;
    readonly protocol: string;
  }
  /** A custom domain whose Service doesn't exist. It is the user's own, so the nameserver isn't asked. */
  | { readonly kind: "nothing" };

/** The most ExternalNames in a row. */
const LONGEST_CHAIN = 8;
/** Records of one answer; a headless Service may have more pods than fit into a message. */
const MOST_ANSWERS = 1_000;

export class Zone {
  readonly #clusters = new Map<string, ClusterNames>();
  #custom: ReadonlyMap<string, CustomDomain> = new Map();
  #hostname = "";
  #reserved: ReadonlySet<string> = new Set();
  readonly #forbidden: (address: IpAddress) => boolean;

  /** @param options.forbidden addresses that no cluster's name may lead to: the laptop's own and those of its networks */
  constructor(options: { readonly forbidden?: (address: IpAddress) => boolean } = {}) {
    this.#forbidden = options.forbidden ?? (() => false);
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
    this.#reserved = new Set(searchDomains.flatMap((domain) => parseDomain(domain)?.split(".").at(-1) ?? []));
  }

  /** Whether Services of a namespace have no short name `service.namespace`, since such names have another owner. */
  isReserved(namespace: string): boolean {
    return isPublicTld(namespace) || this.#reserved.has(namespace);
  }

  /** pmz's answer; "not-ours" when the question is for the laptop's own nameserver. */
  answer(question: Question): Answer | "not-ours" {
    if (question.class !== IN || question.type === types.AXFR || question.type === types.IXFR) {
      return "not-ours";
    }
    const labels = labelsIn(question.name);
    if (labels.at(-1) === "arpa") return this.#pointer(question, labels);
    const owner = this.#owner(labels);
    return owner ? this.#records(question, owner) : "not-ours";
  }

  /** What the proxy dials for a name; undefined for one that isn't pmz's, an ExternalName and a port's name. */
  locate(name: string): Located | undefined {
    const owner = this.#owner(labelsIn(name.replace(/\.$/, "")));
    if (!owner || owner.kind === "nothing" || owner.kind === "port") return undefined;
    const { names: { cluster }, service } = owner;
    if (owner.kind === "pod") return { cluster, service, pod: owner.pod, addresses: owner.addresses };
    return service.externalName ? undefined : { cluster, service, addresses: addressesOf(service) };
  }

  #owner(labels: readonly string[]): Owner | undefined {
    if (labels.length === 0 || whyReserved(labels.join("."), this.#hostname) !== undefined) return undefined;
    const custom = this.#customOwner(labels);
    if (custom) return custom;
    for (const names of this.#clusters.values()) {
      const rest = withoutSuffix(labels, names);
      const owner = rest && owned(names, rest);
      if (owner) return owner;
    }
    const [service = "", namespace] = labels;
    if (labels.length > 2 || (namespace !== undefined && this.isReserved(namespace))) return undefined;
    for (const names of this.#clusters.values()) {
      const found = names.service(namespace ?? names.namespace, service);
      if (found) return { kind: "service", names, service: found };
    }
    return undefined;
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
      const found = names.service(namespace, service);
      if (found) return { kind: "service", names, service: found };
    }
    return { kind: "nothing" };
  }

  #records(question: Question, owner: Owner): Answer {
    switch (owner.kind) {
      case "nothing":
        return found(question.name, []);
      case "pod":
        return found(question.name, this.#addresses(question.name, question.type, owner.addresses));
      case "port": {
        if (question.type !== types.SRV && question.type !== types.ANY) return found(question.name, []);
        const wanted = owner.service.ports.filter((port) => isPort(port, owner.port, owner.protocol));
        return this.#ports(question.name, owner, wanted);
      }
      case "service":
        if (owner.service.externalName) return this.#alias(question, owner.service.externalName);
        if (question.type === types.SRV) return this.#ports(question.name, owner, owner.service.ports);
        return found(
          question.name,
          this.#addresses(question.name, question.type, addressesOf(owner.service)),
        );
    }
  }

  #addresses(name: string, type: number, addresses: readonly IpAddress[]): Resource[] {
    return addresses
      .filter(({ family }) => type === types.ANY || type === (family === 4 ? types.A : types.AAAA))
      .filter((address) => !this.#forbidden(address))
      .slice(0, MOST_ANSWERS)
      .map((address) => addressResource(name, address));
  }

  /** An ExternalName: CNAMEs while they lead to names of pmz, then the records there, or the name outside. */
  #alias(question: Question, externalName: string): Answer {
    const chain: Resource[] = [];
    let [name, target] = [question.name, parseDomain(externalName)];
    while (target && chain.length < LONGEST_CHAIN) {
      chain.push(aliasResource(name, target));
      if (question.type === types.CNAME) return found(question.name, chain);
      const owner = this.#owner(labelsIn(target));
      if (!owner) return { answers: chain, authorities: [], additionals: [], outside: target };
      const next = owner.kind === "service" ? owner.service.externalName : undefined;
      if (next === undefined) {
        const rest = this.#records({ ...question, name: target }, owner);
        return { ...rest, answers: [...chain, ...rest.answers] };
      }
      [name, target] = [target, parseDomain(next)];
    }
    // The target isn't a valid name, or the chain is a loop.
    return found(question.name, []);
  }

  /** SRV records (RFC 2782) as in CoreDNS: for the Service, or for each pod of a headless one. */
  #ports(
    name: string,
    { names, service }: { readonly names: ClusterNames; readonly service: ServiceNames },
    ports: ServiceNames["ports"],
  ): Answer {
    const full = this.#fullName(names, service);
    const targets = new Map<string, IpAddress[]>();
    if (!service.headless) targets.set(full, addressesOf(service));
    for (const pod of service.headless ?? []) {
      for (const address of addressesOf(pod)) {
        const target = `${podName(pod, address)}.${full}`;
        targets.set(target, [...targets.get(target) ?? [], address]);
      }
    }
    const answers: Resource[] = [];
    const additionals: Resource[] = [];
    const weight = Math.max(1, Math.floor(100 / Math.max(1, targets.size * ports.length)));
    for (const [target, addresses] of targets) {
      if (answers.length + ports.length > MOST_ANSWERS) break;
      if (!isName(target)) continue;
      for (const { port } of ports) answers.push(serviceResource(name, port, weight, target));
      if (ports.length > 0) additionals.push(...this.#addresses(target, types.ANY, addresses));
    }
    return { ...found(name, answers), additionals };
  }

  #pointer(question: Question, labels: readonly string[]): Answer | "not-ours" {
    const address = reversedAddress(labels);
    if (!address) return "not-ours";
    const targets: string[] = [];
    for (const names of this.#clusters.values()) {
      for (const { service, pod } of names.owners(address)) {
        const full = this.#fullName(names, service);
        targets.push(pod === undefined ? full : `${pod}.${full}`);
      }
    }
    if (targets.length === 0) return "not-ours";
    const wanted = question.type === types.PTR || question.type === types.ANY ? targets.filter(isName) : [];
    return found(question.name, wanted.slice(0, 16).map((target) => pointerResource(question.name, target)));
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

function found(name: string, answers: readonly Resource[]): Answer {
  return { answers, authorities: answers.length > 0 ? [] : [negativeResource(name)], additionals: [] };
}

/** The labels in lower case; empty for the root and for names with bytes that no Kubernetes name has. */
function labelsIn(name: string): string[] {
  return name === "" || name.includes("\\") ? [] : canonical(name).split(".");
}

/** The labels before ".svc", ".svc.<cluster domain>" or ".svc.<context>"; undefined when the name has no such end. */
function withoutSuffix(labels: readonly string[], names: ClusterNames): readonly string[] | undefined {
  for (
    const suffix of ["svc", `svc.${names.clusterDomain}`, names.contextDomain && `svc.${names.contextDomain}`]
  ) {
    const length = suffix?.split(".").length ?? 0;
    if (length > 0 && labels.slice(-length).join(".") === suffix) return labels.slice(0, -length);
  }
  return undefined;
}

/** The owner of service.namespace, pod.service.namespace or _port._protocol.service.namespace. */
function owned(names: ClusterNames, labels: readonly string[]): Owner | undefined {
  const [name, namespace] = labels.slice(-2);
  const service = labels.length >= 2 && name && namespace ? names.service(namespace, name) : undefined;
  if (!service) return undefined;
  const [first = "", second = ""] = labels;
  if (labels.length === 2) return { kind: "service", names, service };
  if (labels.length === 3) {
    const addresses = podAddresses(service, first);
    return addresses && { kind: "pod", names, service, pod: first, addresses };
  }
  if (labels.length !== 4 || !first.startsWith("_") || !second.startsWith("_")) return undefined;
  const [port, protocol] = [first.slice(1), second.slice(1)];
  const known = service.ports.some((one) => isPort(one, port, protocol));
  return known ? { kind: "port", names, service, port, protocol } : undefined;
}

function isPort(port: ServiceNames["ports"][number], name: string, protocol: string): boolean {
  return port.name === name && port.protocol.toLowerCase() === protocol;
}
