/** What a name below a cluster's domain stands for (Kubernetes' specification of DNS-based service discovery 1.1.0). */
import { type IpAddress, parseAddress } from "../../net/address.ts";
import type { ClusterNames } from "./cluster_names.ts";
import { type Place, placesOf, type ServicePart, servicePart } from "./service_part.ts";
import type { ServiceNames } from "./zone_data.ts";

/** All of a Service, or a part of it. */
export interface ServiceOwner {
  readonly kind: "service";
  readonly names: ClusterNames;
  readonly service: ServiceNames;
  readonly places: readonly Place[];
}

export type Owner =
  | ServiceOwner
  /** A pod by its address: 10-244-1-3.default.pod.cluster.local. */
  | { readonly kind: "pod"; readonly names: ClusterNames; readonly address: IpAddress }
  /** The version of the specification, dns-version.cluster.local. */
  | { readonly kind: "version" }
  /** A name that exists and has no records of its own. */
  | { readonly kind: "nothing" };

const NOTHING: Owner = { kind: "nothing" };

/**
 * The labels of a name as they are below its cluster's domain, for each form of it: with that domain, without it (as a pod's search
 * list allows), and with the cluster's context in its place. Undefined for another name.
 */
export function belowDomain(labels: readonly string[], names: ClusterNames): readonly string[] | undefined {
  const full = without(labels, names.clusterDomain);
  if (full) return full;
  const context = names.contextDomain === undefined ? undefined : without(labels, names.contextDomain);
  const short = [labels, context].find((one) => one?.at(-1) === "svc" || one?.at(-1) === "pod");
  if (!short || short.length < 2) return undefined;
  // Unlike `svc`, `pod` alone isn't taken for the cluster's: a network may have names that end so.
  const isPod = short === labels && short.at(-1) === "pod";
  return isPod && !names.hasNamespace(namespaceIn(short) ?? "") ? undefined : short;
}

/** The labels before a domain; undefined when the name doesn't end with it. */
export function without(labels: readonly string[], domain: string): readonly string[] | undefined {
  const length = domain.split(".").length;
  return labels.slice(-length).join(".") === domain ? labels.slice(0, -length) : undefined;
}

/** Whether all names next to this one are known, so that it doesn't exist unless it has an owner. */
export function isKnown(labels: readonly string[], names: ClusterNames): boolean {
  const namespace = namespaceIn(labels);
  return namespace === undefined || names.knowsAllOf(namespace);
}

/** The namespace in the labels below a cluster's domain. */
export function namespaceIn(labels: readonly string[]): string | undefined {
  const last = labels.at(-1);
  return last === "svc" || last === "pod" ? labels.at(-2) : undefined;
}

/**
 * The owner of a name; undefined when the cluster has no such name.
 * @param labels below the cluster's domain: echo.default.svc
 * @param isReached whether an address is one of the cluster's that this laptop reaches
 */
export function ownerOf(
  names: ClusterNames,
  labels: readonly string[],
  isReached: (cluster: string, address: string) => boolean,
): Owner | undefined {
  const kind = labels.at(-1);
  if (kind === undefined) return NOTHING;
  if (kind !== "svc" && kind !== "pod") {
    return labels.length === 1 && kind === "dns-version" ? { kind: "version" } : undefined;
  }
  const namespace = labels.at(-2);
  if (namespace === undefined) return NOTHING;
  const name = labels.at(-3);
  if (name === undefined) return names.hasNamespace(namespace) ? NOTHING : undefined;
  if (kind === "svc") return serviceOwner(names, namespace, name, labels.slice(0, -3));
  const address = labels.length === 3 ? dashedAddress(name) : undefined;
  return address && isReached(names.cluster, address.text) ? { kind: "pod", names, address } : undefined;
}

/** The Service whose own name has these labels below its cluster's domain. */
export function serviceCalled(names: ClusterNames, labels: readonly string[]): ServiceNames | undefined {
  const [name, namespace, kind] = labels;
  if (labels.length !== 3 || name === undefined || namespace === undefined || kind !== "svc") {
    return undefined;
  }
  return names.service(namespace, name);
}

function serviceOwner(
  names: ClusterNames,
  namespace: string,
  name: string,
  labels: readonly string[],
): ServiceOwner | undefined {
  const service = names.service(namespace, name);
  const part = servicePart(labels);
  if (!service || !part) return undefined;
  const places = service.externalName === undefined ? placesOf(service, part) : alias(service, part);
  return places && { kind: "service", names, service, places };
}

/** An ExternalName has no parts; one that looks like an address is no name, and leads nowhere. */
function alias({ externalName = "" }: ServiceNames, part: ServicePart): Place[] | undefined {
  return Object.keys(part).length > 0 || parseAddress(externalName) ? undefined : [];
}

/** The address in a pod's label, "10-244-1-3" or "fd00--1". */
function dashedAddress(label: string): IpAddress | undefined {
  const isIPv4 = /^\d+-\d+-\d+-\d+$/.test(label);
  return parseAddress(label.replaceAll("-", isIPv4 ? "." : ":"));
}
