import { loadAll } from "js-yaml";
import type { Manifest } from "../../kube/apply/apply.ts";
import text from "./crds.yaml" with { type: "text" };
import { labelsOf } from "./options.ts";

/** The kinds of intercept rules and sessions, from crds.yaml. */
export function crdManifests(): Manifest[] {
  return (loadAll(text) as Manifest[]).map((crd) => ({
    ...crd,
    metadata: { ...crd.metadata, labels: { ...crd.metadata.labels, ...labelsOf("intercept") } },
  }));
}
