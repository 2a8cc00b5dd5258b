import { isIP } from "node:net";
import {
  child,
  dnsName,
  entryText,
  field,
  type Json,
  list,
  optionalBoolean,
  optionalPort,
  optionalText,
  ParseError,
  record,
  text,
  textMap,
} from "./parse.ts";

export { ParseError };

export type IpProtocol = "TCP" | "UDP" | "SCTP";

export interface ServicePort {
  /** Empty when the Service has a single port without a name. */
  readonly name: string;
  readonly port: number;
  /** A number, or the name of a container's port. */
  readonly targetPort: number | string;
  readonly protocol: IpProtocol;
  readonly appProtocol?: string;
}

export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** Empty for headless Services and ExternalName. IPv4, IPv6 or both. */
  readonly clusterIPs: readonly string[];
  readonly headless: boolean;
  readonly ports: readonly ServicePort[];
  /** Undefined when someone else provides the endpoints: a missing selector doesn't select all pods. */
  readonly selector?: Readonly<Record<string, string>>;
  readonly externalName?: string;
  readonly publishNotReadyAddresses: boolean;
}

export interface Endpoint {
  readonly addresses: readonly string[];
  /** Unknown counts as ready (discovery/v1). */
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** The pod's name within a headless Service. */
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly pod?: { readonly namespace: string; readonly name: string; readonly uid: string };
}

export interface EndpointSlice {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The Service that its label names, in the slice's own namespace. */
  readonly service?: string;
  readonly addressType: "IPv4" | "IPv6" | "FQDN";
  /** A port without a number stands for all ports. */
  readonly ports: readonly { readonly name: string; readonly port?: number; readonly protocol: IpProtocol }[];
  readonly endpoints: readonly Endpoint[];
}

export interface OwnerReference {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller: boolean;
}

export interface ContainerPort {
  readonly container: string;
  /** Empty for a port without a name. */
  readonly name: string;
  readonly port: number;
  readonly protocol: IpProtocol;
}

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly nodeName?: string;
  readonly podIPs: readonly string[];
  readonly hostNetwork: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly phase: string;
  readonly ready: boolean;
  /** Of a pod that isn't ready: the first reason that Kubernetes gives, such as CrashLoopBackOff. */
  readonly unready?: string;
  /** RFC 3339; set as soon as the pod is being deleted. */
  readonly deletionTimestamp?: string;
  readonly owners: readonly OwnerReference[];
  readonly containerPorts: readonly ContainerPort[];
  readonly runtimeClassName?: string;
}

export interface Node {
  readonly name: string;
  readonly uid: string;
  /** Addresses only; host names are left out. */
  readonly addresses: readonly string[];
  readonly podCIDRs: readonly string[];
}

const PORTS = 1_000, ADDRESSES = 100, ENDPOINTS = 1_000, CONTAINERS = 500, OWNERS = 100;

/** @throws ParseError */
export function parseService(raw: unknown): Service {
  const object = record(raw, "");
  const spec = child(object, "spec", "");
  const type = oneOf(
    optionalText(spec, "type", "spec") ?? "ClusterIP",
    ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] as const,
    "spec.type",
  );
  const clusterIP = optionalText(spec, "clusterIP", "spec");
  const given = list(spec, "clusterIPs", "spec", 2, entryText());
  const all = given.length > 0 ? given : clusterIP ? [clusterIP] : [];
  const headless = type !== "ExternalName" && all[0] === "None";
  const externalName = optionalText(spec, "externalName", "spec");
  const selector = textMap(spec, "selector", "spec");
  return {
    ...identity(object),
    type,
    clusterIPs: type === "ExternalName" || headless
      ? []
      : all.map((each) => address(each, "spec.clusterIPs")),
    headless,
    ports: list(spec, "ports", "spec", PORTS, servicePort),
    ...(Object.keys(selector).length > 0 && type !== "ExternalName" ? { selector } : {}),
    ...(type === "ExternalName" && externalName ? { externalName } : {}),
    publishNotReadyAddresses: optionalBoolean(spec, "publishNotReadyAddresses", "spec") ?? false,
  };
}

function servicePort(raw: unknown, path: string): ServicePort {
  const from = record(raw, path);
  const port = optionalPort(from, "port", path);
  if (port === undefined) throw new ParseError(`${path}.port`, "a port number");
  // Old Services have 0, Go's zero value, for a missing targetPort.
  const target = field(from, "targetPort");
  const targetPort = typeof target === "string"
    ? text(from, "targetPort", path, 63)
    : target === 0
    ? port
    : optionalPort(from, "targetPort", path) ?? port;
  const appProtocol = optionalText(from, "appProtocol", path);
  return {
    name: optionalText(from, "name", path, 63) ?? "",
    port,
    targetPort,
    protocol: protocol(from, path),
    ...(appProtocol ? { appProtocol } : {}),
  };
}

/** @throws ParseError */
export function parseEndpointSlice(raw: unknown): EndpointSlice {
  const object = record(raw, "");
  const labels = textMap(child(object, "metadata", ""), "labels", "metadata");
  const service = Object.hasOwn(labels, "kubernetes.io/service-name")
    ? labels["kubernetes.io/service-name"]
    : undefined;
  const addressType = oneOf(
    text(object, "addressType", ""),
    ["IPv4", "IPv6", "FQDN"] as const,
    "addressType",
  );
  return {
    ...identity(object),
    ...(service ? { service } : {}),
    addressType,
    ports: list(object, "ports", "", PORTS, (entry, path) => {
      const from = record(entry, path);
      const port = optionalPort(from, "port", path);
      return {
        name: optionalText(from, "name", path, 63) ?? "",
        ...(port === undefined ? {} : { port }),
        protocol: protocol(from, path),
      };
    }),
    endpoints: list(object, "endpoints", "", ENDPOINTS, (entry, path) => endpoint(entry, path, addressType)),
  };
}

function endpoint(raw: unknown, path: string, type: EndpointSlice["addressType"]): Endpoint {
  const from = record(raw, path);
  const conditions = child(from, "conditions", path);
  const ready = optionalBoolean(conditions, "ready", `${path}.conditions`) ?? true;
  const hostname = optionalText(from, "hostname", path, 63);
  const nodeName = optionalText(from, "nodeName", path);
  const target = child(from, "targetRef", path);
  const isPod = field(target, "kind") === "Pod";
  return {
    addresses: list(from, "addresses", path, ADDRESSES, (entry, at) => {
      const value = entryText()(entry, at);
      return type === "FQDN" ? value : address(value, at);
    }),
    ready,
    serving: optionalBoolean(conditions, "serving", `${path}.conditions`) ?? ready,
    terminating: optionalBoolean(conditions, "terminating", `${path}.conditions`) ?? false,
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(isPod
      ? {
        pod: {
          namespace: optionalText(target, "namespace", `${path}.targetRef`) ?? "",
          name: text(target, "name", `${path}.targetRef`),
          uid: optionalText(target, "uid", `${path}.targetRef`) ?? "",
        },
      }
      : {}),
  };
}

/** @throws ParseError */
export function parsePod(raw: unknown): Pod {
  const object = record(raw, "");
  const metadata = child(object, "metadata", "");
  const spec = child(object, "spec", "");
  const status = child(object, "status", "");
  const nodeName = optionalText(spec, "nodeName", "spec");
  const deletionTimestamp = optionalText(metadata, "deletionTimestamp", "metadata", 64);
  const runtimeClassName = optionalText(spec, "runtimeClassName", "spec");
  const podIP = optionalText(status, "podIP", "status");
  const isReady = conditionIs(status, "Ready", "True");
  const unready = isReady ? undefined : unreadyReason(status);
  const podIPs = list(
    status,
    "podIPs",
    "status",
    ADDRESSES,
    (entry, path) => text(record(entry, path), "ip", path),
  );
  return {
    ...identity(object),
    ...(nodeName ? { nodeName } : {}),
    podIPs: (podIPs.length > 0 ? podIPs : podIP ? [podIP] : []).map((each) => address(each, "status.podIPs")),
    hostNetwork: optionalBoolean(spec, "hostNetwork", "spec") ?? false,
    labels: textMap(metadata, "labels", "metadata"),
    phase: optionalText(status, "phase", "status") ?? "Unknown",
    ready: isReady,
    ...(unready === undefined ? {} : { unready }),
    ...(deletionTimestamp ? { deletionTimestamp } : {}),
    owners: list(metadata, "ownerReferences", "metadata", OWNERS, owner),
    containerPorts: containerPorts(spec),
    ...(runtimeClassName ? { runtimeClassName } : {}),
  };
}

function conditionIs(status: Json, type: string, expected: "True" | "False"): boolean {
  return list(status, "conditions", "status", 1_000, record)
    .some((each) => field(each, "type") === type && field(each, "status") === expected);
}

/** Why no pod is made of it, or the first container that doesn't run: reasons are single words (the API's own conventions). */
function unreadyReason(status: Json): string | undefined {
  if (conditionIs(status, "PodScheduled", "False")) return "Unschedulable";
  for (const kind of ["initContainerStatuses", "containerStatuses"] as const) {
    for (const container of list(status, kind, "status", 500, record)) {
      const state = child(container, "state", "status");
      const init = kind === "initContainerStatuses";
      for (const name of ["waiting", "terminated"] as const) {
        const reason = field(child(state, name, "status"), "reason");
        if (init && reason === "Completed") continue;
        if (typeof reason === "string" && /^[A-Za-z0-9]{1,64}$/.test(reason)) return reason;
      }
    }
  }
}

function owner(raw: unknown, path: string): OwnerReference {
  const from = record(raw, path);
  return {
    kind: text(from, "kind", path),
    name: text(from, "name", path),
    uid: text(from, "uid", path),
    controller: optionalBoolean(from, "controller", path) ?? false,
  };
}

/** The ports of all containers that run side by side, sidecars (restartable init containers) included. */
function containerPorts(spec: Json): ContainerPort[] {
  const containers = list(spec, "containers", "spec", CONTAINERS, record);
  const sidecars = list(spec, "initContainers", "spec", CONTAINERS, record)
    .filter((each) => field(each, "restartPolicy") === "Always");
  return [...containers, ...sidecars].flatMap((from) => {
    const container = text(from, "name", "spec.containers");
    return list(from, "ports", "spec.containers", PORTS, (entry, path): ContainerPort => {
      const each = record(entry, path);
      const port = optionalPort(each, "containerPort", path);
      if (port === undefined) throw new ParseError(`${path}.containerPort`, "a port number");
      return {
        container,
        name: optionalText(each, "name", path, 63) ?? "",
        port,
        protocol: protocol(each, path),
      };
    });
  });
}

/** @throws ParseError */
export function parseNode(raw: unknown): Node {
  const object = record(raw, "");
  const metadata = record(field(object, "metadata"), "metadata");
  const addresses = list(child(object, "status", ""), "addresses", "status", ADDRESSES, (entry, path) => {
    const from = record(entry, path);
    return text(from, "address", path);
  });
  return {
    name: dnsName(metadata, "name", "metadata"),
    uid: text(metadata, "uid", "metadata", 128),
    addresses: [...new Set(addresses.filter((each) => isIP(each) !== 0))],
    podCIDRs: list(child(object, "spec", ""), "podCIDRs", "spec", 2, entryText(64)),
  };
}

function identity(object: Json): { namespace: string; name: string; uid: string } {
  const metadata = record(field(object, "metadata"), "metadata");
  return {
    namespace: dnsName(metadata, "namespace", "metadata"),
    name: dnsName(metadata, "name", "metadata"),
    uid: text(metadata, "uid", "metadata", 128),
  };
}

function protocol(from: Json, path: string): IpProtocol {
  return oneOf(
    optionalText(from, "protocol", path) ?? "TCP",
    ["TCP", "UDP", "SCTP"] as const,
    `${path}.protocol`,
  );
}

function oneOf<T extends string>(value: string, known: readonly T[], path: string): T {
  const found = known.find((each) => each === value);
  if (found === undefined) throw new ParseError(path, `one of ${known.join(", ")}`);
  return found;
}

function address(value: string, path: string): string {
  if (isIP(value) === 0 || value.includes("%")) throw new ParseError(path, "an IP address");
  return value;
}
