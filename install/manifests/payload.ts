import type { Manifest } from "../../kube/apply/apply.ts";
import type { Component } from "../../wire/installer.ts";
import { PAYLOAD_FOLDER, PREBUILT } from "../payload/loader.ts";
import { chunksOf } from "../../wire/payload.ts";
import { labelsOf, type ManifestOptions } from "./options.ts";

/** The names of a payload's ConfigMaps. They contain its hash, so that a running agent never reads another payload. */
function configMapNames(component: Component, { payload, salt }: ManifestOptions): string[] {
  const hash = payload.digest.slice("sha256:".length).slice(0, 16);
  const name = ["payload", component, hash, ...salt === undefined ? [] : [salt]].join("-");
  return chunksOf(payload).map((_, i) => `${name}-${i}`);
}

/** The payload as immutable ConfigMaps. */
export function configMaps(namespace: string, component: Component, options: ManifestOptions): Manifest[] {
  if (options.prebuilt) return [];
  const names = configMapNames(component, options);
  return chunksOf(options.payload).map((chunk, i) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace, name: names[i] ?? "", labels: labelsOf(component) },
    immutable: true,
    binaryData: { [String(i)]: chunk.toBase64() },
  }));
}

/** Where a pod finds its payload: the folder, and its volume and mount, if it has one. */
export interface PayloadPlace {
  readonly folder: string;
  readonly volumes: readonly object[];
  readonly mounts: readonly object[];
}

/** All ConfigMaps as one folder, or the image's own folder. */
export function payloadPlace(component: Component, options: ManifestOptions): PayloadPlace {
  if (options.prebuilt) return { folder: PREBUILT, volumes: [], mounts: [] };
  const sources = configMapNames(component, options).map((name) => ({ configMap: { name } }));
  return {
    folder: PAYLOAD_FOLDER,
    volumes: [{ name: "payload", projected: { defaultMode: 0o444, sources } }],
    mounts: [{ name: "payload", mountPath: PAYLOAD_FOLDER, readOnly: true }],
  };
}
