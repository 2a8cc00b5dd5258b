import type { Endpoint, Pod } from "../../kube/objects/objects.ts";
import { podsOf, seesPods, type Topology } from "../discovery/topology.ts";
import type { InterceptTarget } from "./target.ts";

const NO_PODS = "the Service has no pods: nothing arrives until one runs";
/** Pods that are named; more are counted. */
const NAMED = 3;

/**
 * Which callers of an intercepted Service don't arrive, since Kubernetes leads them to ready pods alone: for people. Undefined
 * when all arrive, and where it can't be seen.
 */
export function arrivals(topology: Topology, target: InterceptTarget): string | undefined {
  const { service } = target;
  const pods = podsOf(topology, service);
  if (pods.length === 0 && !seesPods(topology, service.namespace)) return byEndpoints(topology, target);
  if (pods.length === 0) return NO_PODS;
  if (pods.every(({ podIPs }) => podIPs.length === 0)) {
    return `none of its pods runs yet (${described(pods)}): nothing arrives until one does`;
  }
  if (service.publishNotReadyAddresses) return undefined;
  const ready = pods.filter((pod) => pod.ready);
  if (ready.length === pods.length) return undefined;
  const unready = pods.filter((pod) => !pod.ready);
  if (ready.length > 0) {
    return `${unready.length} of its ${pods.length} pods ${
      unready.length === 1 ? "isn't" : "aren't"
    } ready ` +
      `(${described(unready)}): callers arrive by the others`;
  }
  if (isServed(topology, target)) return undefined;
  return `none of its pods is ready (${
    described(unready)
  }), so Kubernetes leads no caller of the Service to them: ` +
    "only connections to a pod's own address arrive";
}

/** The same where pods can't be seen, or where there are none in the whole namespace. */
function byEndpoints(topology: Topology, target: InterceptTarget): string | undefined {
  const { namespace, name, publishNotReadyAddresses } = target.service;
  const slices = [...topology.slices?.values() ?? []].filter((slice) =>
    slice.namespace === namespace && slice.service === name
  );
  if (slices.length === 0) return undefined;
  const endpoints = slices.reduce((sum, slice) => sum + slice.endpoints.length, 0);
  if (endpoints === 0) return NO_PODS;
  if (publishNotReadyAddresses || isServed(topology, target)) return undefined;
  return `none of its ${endpoints} endpoints is ready, so Kubernetes leads no caller of the Service to them: ` +
    "only connections to a pod's own address arrive";
}

/** Whether the Service's port has endpoints that take connections: also of pods that are being deleted, where no other is ready. */
function isServed({ slices }: Topology, { service, port }: InterceptTarget): boolean {
  const takes = ({ ready, serving, terminating }: Endpoint) => ready || serving && terminating;
  return [...slices?.values() ?? []].some((slice) =>
    slice.namespace === service.namespace && slice.service === service.name &&
    slice.ports.some(({ name }) => name === (port.name ?? "")) && slice.endpoints.some(takes)
  );
}

function described(pods: readonly Pod[]): string {
  const named = pods.slice(0, NAMED).map(({ name, unready }) => `${name}: ${unready ?? "not ready"}`);
  return [...named, ...pods.length > NAMED ? [`${pods.length - NAMED} more`] : []].join(", ");
}
