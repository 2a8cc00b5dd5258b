import type { Component } from "../../wire/installer.ts";
import {
  labels as places,
  PAYLOAD_ANNOTATION,
  PROTOCOL_ANNOTATION,
  VERSIONS_ANNOTATION,
} from "../../wire/places.ts";
import { agentVersions, formatVersions } from "../../wire/agent_versions.ts";
import { protocolVersions } from "../../wire/hello.ts";
import type { Payload } from "../../wire/payload.ts";
import { STOCK_DENO } from "../../wire/version.ts";

/** Deno's official image, at the version of this build. */
export const STOCK_IMAGE = `docker.io/denoland/deno:${STOCK_DENO}`;
/** The image's unprivileged user. */
export const DENO_USER = 1993;

/** Options of a component's manifests. */
export interface ManifestOptions {
  readonly payload: Payload;
  /** The stock image, a mirror of it, or a prebuilt image. */
  readonly image: string;
  /** Whether the image contains the payload, in the folder PREBUILT; then there are no ConfigMaps. */
  readonly prebuilt: boolean;
  /** A suffix of the names of the payload's ConfigMaps, when the usual names are taken by other objects. */
  readonly salt?: string;
  /** Ranges in CIDR notation that the gateway may dial besides Services and pods. */
  readonly ranges: readonly string[];
  /** The nodes' architectures that the node agent's payload has a libbpf for, by Kubernetes' names: "amd64". */
  readonly architectures: readonly string[];
  /** Whether a node has a kernel before 5.11, which counts BPF maps against RLIMIT_MEMLOCK. */
  readonly limitsBpfMemory?: boolean;
  /** Whether the cluster is 1.30 or newer: it has admission policies, and a field for AppArmor instead of an annotation. */
  readonly modern: boolean;
}

/** The labels of all objects of a component; they include its pods' selector. */
export function labelsOf(component: Component | "use" | "intercept"): Record<string, string> {
  return {
    ...podLabels(component),
    [places.name]: `pmz-${component}`,
    "app.kubernetes.io/managed-by": "pmz",
  };
}

/** The labels by which the laptop finds an agent's pods (wire/places.ts). */
export function podLabels(component: Component | "use" | "intercept"): Record<string, string> {
  return { [places.partOf]: "pmz", [places.component]: component };
}

/** The annotations by which a laptop recognizes an agent's code, and the versions that it speaks. */
export function annotationsOf(
  component: Component,
  { payload }: Pick<ManifestOptions, "payload">,
): Record<string, string> {
  const { newest, oldest } = protocolVersions.tunnel;
  return {
    [PAYLOAD_ANNOTATION]: payload.digest,
    [VERSIONS_ANNOTATION]: formatVersions(agentVersions[component]),
    [PROTOCOL_ANNOTATION]: `${newest}-${oldest}`,
  };
}

/** Labels of virtual nodes, which take a DaemonSet's pods and never run them. */
export const virtualNodes: readonly (readonly [label: string, values: readonly string[]])[] = [
  ["type", ["virtual-kubelet", "kwok"]],
  ["eks.amazonaws.com/compute-type", ["fargate"]],
];

/**
 * What has injectors of meshes leave the agents' pods alone, where a whole namespace or cluster is in the mesh: Istio's sidecar and
 * ambient mode, Linkerd, Consul, Kuma, Dapr. A proxy in the gateway would take what it dials for its own pod's traffic.
 */
export const uninjected = {
  labels: {
    "sidecar.istio.io/inject": "false",
    "istio.io/dataplane-mode": "none",
    "kuma.io/sidecar-injection": "disabled",
  },
  annotations: {
    "linkerd.io/inject": "disabled",
    "consul.hashicorp.com/connect-inject": "false",
    "dapr.io/enabled": "false",
  },
} as const;
