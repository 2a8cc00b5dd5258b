import type { Api } from "../../kube/client/api.ts";
import { ApiError } from "../../kube/client/api_error.ts";
import { type Resource, resources } from "../../kube/client/resources.ts";
import { parsePod, parseService } from "../../kube/objects/objects.ts";
import { podsOf, type Topology } from "../discovery/topology.ts";
import { Failure } from "../failure.ts";
import { findTarget, type InterceptTarget } from "../intercepts/target.ts";

/** Objects that are looked at, at most. */
const MOST = 500;

/** The port of a Service that is to be intercepted. */
export interface TargetChoice {
  readonly namespace: string;
  readonly service: string;
  readonly port?: string | undefined;
  /** The port on the laptop, where it is known. */
  readonly localPort?: number | undefined;
}

/**
 * The Service and port that can be intercepted.
 * @throws {Failure} as findTarget; `not-found` when the Service has no pods
 */
export function findServedTarget(
  topology: Topology,
  { namespace, service, port, localPort }: TargetChoice,
): InterceptTarget {
  const target = findTarget(topology, namespace, service, port, localPort);
  if (topology.pods.size > 0 && podsOf(topology, target.service).length === 0) {
    throw new Failure("not-found", `${service}.${namespace} has no pods that could be intercepted`, {
      hint: `start one first: kubectl -n ${namespace} scale --replicas=1 deployment/NAME`,
    });
  }
  return target;
}

/**
 * Looks in a cluster that isn't connected whether a Service can be intercepted, before anything is installed for it.
 * What these credentials may not list is not judged: undefined then.
 * @throws {Failure} as findServedTarget
 */
export async function checkTarget(
  api: Api,
  choice: TargetChoice,
  signal?: AbortSignal,
): Promise<InterceptTarget | undefined> {
  const call = { maxObjects: MOST, ...(signal && { signal }) };
  const named = `metadata.name=${choice.service}`;
  const services = await listed(api, resources.services, { fieldSelector: named }, call) ??
    await listed(api, resources.services, { namespace: choice.namespace, fieldSelector: named }, call);
  if (!services) return undefined;
  const pods = await listed(api, resources.pods, { namespace: choice.namespace }, call) ?? [];
  const keyed = <T extends { namespace: string; name: string }>(objects: readonly T[]) =>
    new Map(objects.map((one) => [`${one.namespace}/${one.name}`, one]));
  const topology = { services: keyed(services.map(parseService)), pods: keyed(pods.map(parsePod)) };
  return findServedTarget(topology, choice);
}

/** Undefined where these credentials may not list them, or where there are too many. */
async function listed(
  api: Api,
  resource: Resource,
  selection: { readonly namespace?: string; readonly fieldSelector?: string },
  call: { readonly maxObjects: number; readonly signal?: AbortSignal },
): Promise<unknown[] | undefined> {
  try {
    return (await api.list(resource, selection, call)).items;
  } catch (error) {
    if (ApiError.is(error, "Forbidden") || ApiError.is(error, "TooLarge")) return undefined;
    throw error;
  }
}
