import type { Api, KubeObject } from "../kube/client/api.ts";
import { ApiError } from "../kube/client/api_error.ts";
import { child, field, list, optionalText, record } from "../kube/objects/parse.ts";
import { resources } from "../kube/client/resources.ts";
import { rollout, RolloutError, type Workload } from "../kube/apply/rollout.ts";
import type { AgentComponent, Component } from "../wire/installer.ts";
import {
  GATEWAY_NAMESPACE,
  NODE_NAMESPACE,
  PAYLOAD_ANNOTATION,
  PROTOCOL_ANNOTATION,
} from "../wire/places.ts";
import { type ProtocolVersions, protocolVersions } from "../wire/hello.ts";
import { GATEWAY } from "./manifests/gateway.ts";
import { NODE_AGENT } from "./manifests/node_agent.ts";

/** The workload that runs each component. */
export const workloads: Readonly<Record<Component, Workload>> = {
  gateway: { kind: "Deployment", namespace: GATEWAY_NAMESPACE, name: GATEWAY },
  node: { kind: "DaemonSet", namespace: NODE_NAMESPACE, name: NODE_AGENT },
};

/** Whether an agent speaks a version of the tunnel protocol that this pmz speaks; if not, whether it is older or newer. */
export type Fit = "fits" | "older" | "newer";

/** An installed agent. */
export interface Running {
  readonly image: string;
  readonly payload: string;
  readonly fit: Fit;
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
    return parse(await api.get(resource, { namespace, name }, signal ? { signal } : {}), kind);
  } catch (error) {
    if (ApiError.is(error, "NotFound")) return undefined;
    throw error;
  }
}

function parse(object: KubeObject, kind: Workload["kind"]): Running {
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
    fit: fitOf(optionalText(annotations, PROTOCOL_ANNOTATION, "annotations") ?? ""),
    ...kind === "Deployment"
      ? { ready: count(status, "availableReplicas"), wanted: count(spec, "replicas", 1) }
      : { ready: count(status, "numberAvailable"), wanted: count(status, "desiredNumberScheduled") },
  };
}

/** Compares an agent's versions with ours: "2-1" is 1 and 2. An agent without the annotation is older. */
export function fitOf(annotation: string, ours: ProtocolVersions = protocolVersions.tunnel): Fit {
  const match = /^([0-9]{1,6})-([0-9]{1,6})$/.exec(annotation);
  if (!match || Number(match[1]) < ours.oldest) return "older";
  return Number(match[2]) > ours.newest ? "newer" : "fits";
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
    pods: { ready: found.ready, all: found.wanted },
  };
  if (found.fit !== "fits") {
    const why = found.fit === "newer" ? "it is newer than this pmz: update pmz" : "it is older than this pmz";
    return { ...facts, state: "incompatible", why };
  }
  // One gateway serves all laptops, but pods on a node without a node agent can't be intercepted.
  const enough = component === "gateway" ? found.ready > 0 : found.ready >= found.wanted;
  if (enough) return { ...facts, state: "ready" };
  return { ...facts, state: "starting", why: await whyNotReady(api, component) };
}

async function whyNotReady(api: Api, component: Component): Promise<string> {
  try {
    await rollout(api, workloads[component], { timeoutMs: 0 });
    return "it has just become ready";
  } catch (error) {
    if (error instanceof RolloutError) return error.troubles.join("; ") || "the cluster gives no reason";
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}
