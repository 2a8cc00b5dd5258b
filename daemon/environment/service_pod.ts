import type { Api } from "../../kube/client/api.ts";
import { ApiError } from "../../kube/client/api_error.ts";
import { type Resource, resources } from "../../kube/client/resources.ts";
import { type Container, parsePodSpec, type PodSpec } from "../../kube/environment/pod_spec.ts";
import { parsePod, parseService, type Service } from "../../kube/objects/objects.ts";
import { child, record } from "../../kube/objects/parse.ts";
import { selects } from "../../kube/objects/selectors.ts";
import { Failure } from "../failure.ts";

/** Pods and workloads that are looked at, at most. */
const MOST = 1_000;
const DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container";
/** Workloads that make pods, in whose templates a Service's pod is looked for when none runs. */
const workloads = [resources.deployments, resources.statefulSets, resources.daemonSets];

/** A pod of a Service, or the template of one where none is there. */
export interface ServicePod {
  readonly service: Service;
  readonly pod: PodSpec;
}

/** Which Service, by its name. */
export interface ServiceAt {
  readonly namespace: string;
  readonly service: string;
}

/**
 * Finds a pod of a Service: a ready one before others, of those the newest; or a pod template.
 * @throws {Failure} `not-found` when there is no such Service, or nothing that its selector means
 * @throws {ApiError} when it may not be read
 */
export async function podOfService(
  api: Api,
  { namespace, service: name }: ServiceAt,
  signal?: AbortSignal,
): Promise<ServicePod> {
  const call = signal ? { signal } : {};
  const service = await serviceNamed(api, namespace, name, call);
  if (!service) {
    throw new Failure("not-found", `there is no Service ${name} in the namespace ${namespace}`, {
      hint: "to see the Services: kubectl get services -A",
    });
  }
  const { selector } = service;
  if (!selector) {
    throw new Failure("usage", `${name}.${namespace} has no selector, so it has no pods of its own`, {
      hint: "name a Service that leads to the pods",
    });
  }
  const labelSelector = Object.entries(selector).map(([key, value]) => `${key}=${value}`).join(",");
  const { items } = await api.list(resources.pods, { namespace, labelSelector }, {
    ...call,
    maxObjects: MOST,
  });
  const chosen = items.map((raw) => ({ raw, pod: parsePod(raw), created: createdAt(raw) }))
    .filter(({ pod }) => selects(selector, pod))
    .sort((a, b) => rank(b.pod) - rank(a.pod) || b.created.localeCompare(a.created))[0];
  if (chosen) return { service, pod: parsePodSpec(chosen.raw, { namespace }) };
  const template = await templateOf(api, namespace, selector, call);
  if (template) return { service, pod: template };
  throw new Failure("not-found", `${name}.${namespace} has no pods, and no workload that makes some`, {
    hint: `its selector: ${labelSelector}`,
  });
}

/** By a list, as pmz finds Services elsewhere; where that isn't allowed, by itself. Undefined where it doesn't exist. */
async function serviceNamed(
  api: Api,
  namespace: string,
  name: string,
  call: { readonly signal?: AbortSignal },
): Promise<Service | undefined> {
  try {
    const selection = { namespace, fieldSelector: `metadata.name=${name}` };
    const { items } = await api.list(resources.services, selection, { ...call, maxObjects: MOST });
    return items.map(parseService).find((one) => one.name === name);
  } catch (error) {
    if (!ApiError.is(error, "Forbidden")) throw error;
  }
  return await api.get(resources.services, { namespace, name }, call).then(parseService, (error) => {
    if (ApiError.is(error, "NotFound")) return undefined;
    throw error;
  });
}

function rank({ ready, phase, deletionTimestamp }: ReturnType<typeof parsePod>): number {
  if (phase === "Failed" || phase === "Succeeded") return 0;
  return (deletionTimestamp === undefined ? 2 : 0) + (ready ? 2 : 0) + (phase === "Running" ? 1 : 0);
}

function createdAt(raw: unknown): string {
  const { creationTimestamp } = child(record(raw, ""), "metadata", "");
  return typeof creationTimestamp === "string" ? creationTimestamp : "";
}

async function templateOf(
  api: Api,
  namespace: string,
  selector: NonNullable<Service["selector"]>,
  call: { readonly signal?: AbortSignal },
): Promise<PodSpec | undefined> {
  for (const resource of workloads) {
    for (const item of await listed(api, resource, namespace, call)) {
      const template = child(child(record(item, ""), "spec", ""), "template", "spec");
      const pod = parsePodSpec(template, { namespace });
      if (selects(selector, { labels: Object.fromEntries(pod.labels) })) {
        return { ...pod, name: undefined, uid: undefined };
      }
    }
  }
  return undefined;
}

async function listed(
  api: Api,
  resource: Resource,
  namespace: string,
  call: { readonly signal?: AbortSignal },
): Promise<readonly unknown[]> {
  try {
    return (await api.list(resource, { namespace }, { ...call, maxObjects: MOST })).items;
  } catch (error) {
    if (ApiError.is(error, "Forbidden")) return [];
    throw error;
  }
}

/** Which container is meant: by its name, or by a port of the Service. */
export interface ContainerChoice {
  readonly container?: string | undefined;
  /** Name or number of the Service's port. */
  readonly port?: string | undefined;
}

/**
 * The container that is named; else the one that has the port that is meant, then the one that the pod names as
 * kubectl's default, then the first.
 * @throws {Failure} `not-found` when no Service has that name
 */
export function chooseContainer(
  { service, pod }: ServicePod,
  { container, port }: ContainerChoice,
): Container {
  const named = container ?? pod.annotations.get(DEFAULT_CONTAINER);
  const found = pod.containers.find(({ name }) => name === named);
  if (container !== undefined) {
    if (found) return found;
    const names = pod.containers.map(({ name }) => name).join(", ");
    throw new Failure(
      "not-found",
      `the pods of ${service.name}.${service.namespace} have no container ${container}`,
      {
        hint: `they have: ${names}`,
      },
    );
  }
  const all = service.ports.filter(({ protocol }) => protocol === "TCP");
  const isMeant = (one: Service["ports"][number]) =>
    port === undefined
      ? one.name === "http" || one.port === 80
      : one.name === port || String(one.port) === port;
  const meant = [...all.filter(isMeant), ...port === undefined ? all : []];
  for (const { targetPort } of meant) {
    const having = pod.containers.find(({ ports }) =>
      ports.some((one) => one.name === targetPort || one.port === targetPort)
    );
    if (having) return having;
  }
  const [first] = pod.containers;
  if (found ?? first) return found ?? first as Container;
  throw new Failure("not-found", `the pods of ${service.name}.${service.namespace} have no containers`);
}
