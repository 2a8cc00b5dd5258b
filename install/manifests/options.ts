import type { Component } from "../../wire/installer.ts";
import { labels as places, PAYLOAD_ANNOTATION, PROTOCOL_ANNOTATION } from "../../wire/places.ts";
import { protocolVersions } from "../../wire/hello.ts";
import type { Payload } from "../../wire/payload.ts";

/** Deno's own image at the version that this is built with. */
export const STOCK_IMAGE = "docker.io/denoland/deno:2.9.6";
/** The image's unprivileged user. */
export const DENO_USER = 1993;

/** What the manifests of a component are made from. */
export interface ManifestOptions {
  readonly payload: Payload;
  /** The stock image, a mirror of it, or a prebuilt one. */
  readonly image: string;
  /** The image has the payload inside, in the folder PREBUILT; no ConfigMaps then. */
  readonly prebuilt: boolean;
  /** In the names of the payload's ConfigMaps, where those without it are taken by something else. */
  readonly salt?: string;
  /** Ranges in CIDR notation that the gateway may dial besides Services and pods. */
  readonly ranges: readonly string[];
  /** Of the nodes that the node agent's payload has a libbpf for, as Kubernetes calls them: "amd64". */
  readonly architectures: readonly string[];
  /** Admission policies exist (1.30); AppArmor has a field (1.30; an annotation before). */
  readonly modern: boolean;
}

/** On everything of a component; the selector of its pods is a part of them. */
export function labelsOf(component: Component | "use" | "intercept"): Record<string, string> {
  return {
    ...podLabels(component),
    [places.name]: `pmz-${component}`,
    "app.kubernetes.io/managed-by": "pmz",
  };
}

/** By which the laptop finds an agent's pods, see wire/places.ts. */
export function podLabels(component: Component | "use" | "intercept"): Record<string, string> {
  return { [places.partOf]: "pmz", [places.component]: component };
}

/** What an agent's pods and workload say of themselves to a laptop. */
export function annotationsOf({ payload }: Pick<ManifestOptions, "payload">): Record<string, string> {
  const { newest, oldest } = protocolVersions.tunnel;
  return {
    [PAYLOAD_ANNOTATION]: payload.digest,
    [PROTOCOL_ANNOTATION]: `${newest}-${oldest}`,
  };
}
