import { ceilingOf, MILLI, ONE, parseQuantity } from "./quantity.ts";
import type { Container, PodSpec, ResourceSource } from "./pod_spec.ts";

/** The value of a field of the pod, as the downward API has it; undefined for one that this pod doesn't have, or that isn't known here. */
export function fieldOf(pod: PodSpec, path: string): string | undefined {
  const [, map, key] = /^metadata\.(labels|annotations)\['(.*)'\]$/s.exec(path) ?? [];
  if (map !== undefined && key !== undefined) {
    return (map === "labels" ? pod.labels : pod.annotations).get(key) ?? "";
  }
  switch (path) {
    case "metadata.name":
      return pod.name;
    case "metadata.namespace":
      return pod.namespace;
    case "metadata.uid":
      return pod.uid;
    case "metadata.labels":
      return formatMap(pod.labels);
    case "metadata.annotations":
      return formatMap(pod.annotations);
    case "spec.nodeName":
      return pod.nodeName;
    case "spec.serviceAccountName":
      return pod.serviceAccountName;
    case "status.hostIP":
      return pod.hostIPs[0];
    case "status.hostIPs":
      return listOf(pod.hostIPs);
    case "status.podIP":
      return pod.podIPs[0];
    case "status.podIPs":
      return listOf(pod.podIPs);
    default:
      return undefined;
  }
}

function listOf(addresses: readonly string[]): string | undefined {
  return addresses.length === 0 ? undefined : addresses.join(",");
}

/** Whether a resource is the node's where a container has no limit of it. */
export function isOfNode(container: Container, resource: string): boolean {
  const [, name] = /^limits\.(cpu|memory|ephemeral-storage)$/.exec(resource) ?? [];
  return name !== undefined && !container.limits.has(name);
}

/**
 * The value of a container's resource, divided and rounded up.
 * @param allocatable what the container's node has, for limits that the container doesn't have
 * @returns undefined where it can't be told
 */
export function resourceOf(
  container: Container,
  { resource, divisor }: ResourceSource,
  allocatable: ReadonlyMap<string, string> | undefined,
): string | undefined {
  const [, list, name] = /^(limits|requests)\.(.+)$/.exec(resource) ?? [];
  if (name === undefined) return undefined;
  const own = (list === "limits" ? container.limits : container.requests).get(name);
  const given = own ?? (isOfNode(container, resource) ? allocatable?.get(name) : "0");
  const value = given === undefined ? undefined : parseQuantity(given);
  const by = parseQuantity(divisor);
  if (value === undefined || by === undefined) return undefined;
  return String(ceilingOf(value, by === 0n ? ONE : by, name === "cpu" ? MILLI : ONE));
}

/** A line `key="value"` for each entry, sorted by key, the value quoted as Go does. */
function formatMap(map: ReadonlyMap<string, string>): string {
  return [...map].sort(([a], [b]) => a < b ? -1 : 1).map(([key, value]) => `${key}=${goQuoted(value)}`).join(
    "\n",
  );
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};

/** As Go's `%q`: what doesn't print is escaped. */
function goQuoted(text: string): string {
  const inner = text.replace(/["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, (character) => {
    const short = ESCAPES[character];
    if (short !== undefined) return short;
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    if (code < 0x80) return `\\x${hex.padStart(2, "0")}`;
    return code > 0xffff ? `\\U${hex.padStart(8, "0")}` : `\\u${hex.padStart(4, "0")}`;
  });
  return `"${inner}"`;
}
