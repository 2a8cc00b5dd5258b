/** Which pods a Service means, and which of their ports: one answer for laptop and node. */
import type { Pod, ServicePort } from "./objects.ts";

/**
 * Whether a selector's labels are all on a pod. An empty selector selects nothing, as for Services
 * (a Service without selector has no pods of its own).
 */
export function selects(
  selector: Readonly<Record<string, string>>,
  pod: Pick<Pod, "labels">,
): boolean {
  const labels = Object.entries(selector);
  return labels.length > 0 &&
    labels.every(([key, value]) => Object.hasOwn(pod.labels, key) && pod.labels[key] === value);
}

/** Whether a pod's containers may still run: its phase isn't final. */
export function mayRun(pod: Pod): boolean {
  return pod.phase !== "Succeeded" && pod.phase !== "Failed";
}

/** Whether a pod is being deleted. Its containers may run on until their grace period has passed. */
export function isTerminating(pod: Pod): boolean {
  return pod.deletionTimestamp !== undefined;
}

/** The number of a Service port in a pod: its targetPort; where that is a name, the container port of that name and protocol. */
export function podPort(pod: Pod, port: ServicePort): number | undefined {
  if (typeof port.targetPort === "number") return port.targetPort;
  return pod.containerPorts.find((one) => one.name === port.targetPort && one.protocol === port.protocol)
    ?.port;
}
