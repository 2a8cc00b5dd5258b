/**
 * The few fields of Kubernetes' objects that decide what is intercepted, taken out of what the API server sent, once
 * and with limits: the rest of the agent only sees these.
 */

/** A pod of this node. */
export interface NodePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: ReadonlyMap<string, string>;
  /** Its addresses; empty until its sandbox is there. */
  readonly addresses: readonly string[];
  readonly hostNetwork: boolean;
  readonly runtimeClass?: string;
  readonly windows: boolean;
  readonly ports: readonly ContainerPort[];
  /** Set from its deletionTimestamp on: nothing new is steered. */
  readonly deleting: boolean;
  /** Succeeded or Failed: nothing runs in it any more. */
  readonly over: boolean;
}

export interface ContainerPort {
  readonly name?: string;
  readonly port: number;
  readonly protocol: string;
}

/** A Service that a rule may name. */
export interface RuledService {
  readonly namespace: string;
  readonly name: string;
  /** Empty: a Service without selector. */
  readonly selector: ReadonlyMap<string, string>;
  readonly ports: readonly ServicePort[];
}

export interface ServicePort {
  readonly port: number;
  readonly protocol: string;
  /** A number, or the name of a containerPort. */
  readonly target: number | string;
}

/**
 * A pod as the API server sent it.
 * @throws {TypeError} when it isn't one.
 */
export function parseNodePod(raw: unknown): NodePod {
  const { metadata, spec, status } = parts(raw, "Pod");
  const runtimeClass = typeof spec.runtimeClassName === "string"
    ? { runtimeClass: spec.runtimeClassName }
    : {};
  const os = spec.os === undefined ? undefined : record(spec.os, "spec.os").name;
  const containers = [...list(spec.initContainers), ...list(spec.containers)];
  return {
    ...identity(metadata),
    uid: text(metadata.uid, "metadata.uid"),
    labels: strings(metadata.labels),
    addresses: addresses(status),
    hostNetwork: spec.hostNetwork === true,
    ...runtimeClass,
    windows: os === "windows",
    ports: containers.flatMap((container) => containerPorts(record(container, "spec.containers[]"))),
    deleting: metadata.deletionTimestamp !== undefined,
    over: status.phase === "Succeeded" || status.phase === "Failed",
  };
}

/**
 * A Service as the API server sent it.
 * @throws {TypeError} when it isn't one.
 */
export function parseRuledService(raw: unknown): RuledService {
  const { metadata, spec } = parts(raw, "Service");
  return {
    ...identity(metadata),
    selector: strings(spec.selector),
    ports: list(spec.ports).map((entry) => {
      const port = record(entry, "spec.ports[]");
      const number = portNumber(port.port, "spec.ports[].port");
      const target = port.targetPort === undefined ? number : port.targetPort;
      return {
        port: number,
        protocol: typeof port.protocol === "string" ? port.protocol : "TCP",
        target: typeof target === "string" ? target : portNumber(target, "spec.ports[].targetPort"),
      };
    }),
  };
}

function addresses(status: Record<string, unknown>): string[] {
  const several = list(status.podIPs).map((entry) => record(entry, "status.podIPs[]").ip);
  const all = several.length > 0 ? several : [status.podIP];
  return all.filter((ip): ip is string => typeof ip === "string" && ip !== "");
}

function containerPorts(container: Record<string, unknown>): ContainerPort[] {
  return list(container.ports).map((entry) => {
    const port = record(entry, "ports[]");
    return {
      ...(typeof port.name === "string" ? { name: port.name } : {}),
      port: portNumber(port.containerPort, "ports[].containerPort"),
      protocol: typeof port.protocol === "string" ? port.protocol : "TCP",
    };
  });
}

function parts(raw: unknown, kind: string) {
  const object = record(raw, kind);
  return {
    metadata: record(object.metadata, "metadata"),
    spec: record(object.spec, "spec"),
    status: object.status === undefined ? {} : record(object.status, "status"),
  };
}

function identity(metadata: Record<string, unknown>): { namespace: string; name: string } {
  return {
    namespace: text(metadata.namespace, "metadata.namespace"),
    name: text(metadata.name, "metadata.name"),
  };
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${what} is no object`);
  }
  return value as Record<string, unknown>;
}

/** A list that may be missing. */
function list(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new TypeError("what should be a list is none");
  return value;
}

function strings(value: unknown): Map<string, string> {
  const entries = value === undefined || value === null
    ? []
    : Object.entries(record(value, "labels or selector"));
  return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

function text(value: unknown, field: string): string {
  if (typeof value !== "string" || value === "" || value.length > 253) {
    throw new TypeError(`${field} is no text of 1 to 253 characters`);
  }
  return value;
}

function portNumber(value: unknown, field: string): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 65535) {
    throw new TypeError(`${field} is no port`);
  }
  return value as number;
}
