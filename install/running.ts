import type { Api, KubeObject } from "../kube/client/api.ts";
import { ApiError } from "../kube/client/api_error.ts";
import { child, field, list, optionalText, record } from "../kube/objects/parse.ts";
import { resources } from "../kube/client/resources.ts";
import { rollout, RolloutError, type Workload } from "../kube/apply/rollout.ts";
import type { AgentComponent, Component } from "../wire/installer.ts";
import { agentVersions, fitOf, isSuccessor, parseVersions } from "../wire/agent_versions.ts";
import {
  GATEWAY_NAMESPACE,
  NODE_NAMESPACE,
  PAYLOAD_ANNOTATION,
  PROTOCOL_ANNOTATION,
  VERSIONS_ANNOTATION,
} from "../wire/places.ts";
import type { SpokenVersions } from "../wire/hello.ts";
import { GATEWAY } from "./manifests/gateway.ts";
import { NODE_AGENT } from "./manifests/node_agent.ts";

/** The workload that runs each component. */
export const workloads: Readonly<Record<Component, Workload>> = {
  gateway: { kind: "Deployment", namespace: GATEWAY_NAMESPACE, name: GATEWAY },
  node: { kind: "DaemonSet", namespace: NODE_NAMESPACE, name: NODE_AGENT },
};

/** An installed agent. */
export interface Running {
  readonly image: string;
  readonly payload: string;
  readonly versions: SpokenVersions;
  readonly ready: number;
  readonly wanted: number;
}

/**
 * Reads an installed component; undefined when it isn't installed.
 * @throws {ApiError} @throws {ParseError}
 */
export async function running(
  api: Api,
  component: Component,
  signal?: AbortSignal,
): Promise<Running | undefined> {
  const { kind, namespace, name } = workloads[component];
  const resource = kind === "Deployment" ? resources.deployments : resources.daemonSets;
  try {
    return parse(await api.get(resource, { namespace, name }, signal ? { signal } : {}), component);
  } catch (error) {
    if (ApiError.is(error, "NotFound")) return undefined;
    throw error;
  }
}

function parse(object: KubeObject, component: Component): Running {
  const metadata = record(object.metadata, "metadata");
  const annotations = child(metadata, "annotations", "metadata");
  const spec = child(object, "spec", ""), status = child(object, "status", "");
  const pod = child(child(spec, "template", "spec"), "spec", "spec.template");
  const [container] = list(pod, "containers", "spec.template.spec", 100, record);
  const count = (from: typeof status, name: string, otherwise = 0) => {
    const value = field(from, name);
    return typeof value === "number" ? value : otherwise;
  };
  return {
    image: container ? optionalText(container, "image", "container", 1_000) ?? "" : "",
    payload: optionalText(annotations, PAYLOAD_ANNOTATION, "annotations") ?? "",
    versions: versionsOf(component, (name) => optionalText(annotations, name, "annotations")),
    ...workloads[component].kind === "Deployment"
      ? { ready: count(status, "availableReplicas"), wanted: count(spec, "replicas", 1) }
      : { ready: count(status, "numberAvailable"), wanted: count(status, "desiredNumberScheduled") },
  };
}

/** The versions that a workload's annotations name. Those of pmz 0.1.0 have one pair for all that it speaks. */
export function versionsOf(
  component: Component,
  annotation: (name: string) => string | undefined,
): SpokenVersions {
  const said = annotation(VERSIONS_ANNOTATION);
  if (said !== undefined) return parseVersions(said);
  const pair = annotation(PROTOCOL_ANNOTATION) ?? "";
  return parseVersions(Object.keys(agentVersions[component]).map((name) => `${name}=${pair}`).join());
}

/**
 * The state of a component in a cluster; `unknown` without the right to read it.
 * @param payload The digest of this pmz's own payload, if it is known.
 */
export async function statusOf(
  api: Api,
  component: Component,
  payload?: string,
): Promise<AgentComponent> {
  let found: Running | undefined;
  try {
    found = await running(api, component);
  } catch (error) {
    if (ApiError.is(error, "Forbidden")) {
      return { component, state: "unknown", why: "these credentials have no right to read it" };
    }
    throw error;
  }
  if (!found) return { component, state: "absent" };
  const facts = {
    component,
    image: found.image,
    payload: found.payload,
    ...payload === undefined ? {} : { ours: found.payload === payload },
    versions: found.versions,
    outdated: isSuccessor(agentVersions[component], found.versions),
    pods: { ready: found.ready, all: found.wanted },
  };
  const fit = fitOf(found.versions, agentVersions[component]);
  if (fit !== "fits") {
    const why = fit === "newer" ? "it is newer than this pmz: update pmz" : "it is older than this pmz";
    return { ...facts, state: "incompatible", why };
  }
  // One gateway serves all laptops, but pods on a node without a node agent can't be intercepted.
  const enough = component === "gateway" ? found.ready > 0 : found.ready >= found.wanted;
  if (enough) return { ...facts, state: "ready" };
  return { ...facts, state: "starting", why: await whyNotReady(api, component) };
}

async function whyNotReady(api: Api, component: Component): Promise<string> {
  try {
    const left = await rollout(api, workloads[component], { timeoutMs: 0 });
    return left.join("; ") || "it has just become ready";
  } catch (error) {
    if (error instanceof RolloutError) return error.troubles.join("; ") || "the cluster gives no reason";
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}
