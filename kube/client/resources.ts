/** A kind of object, as the API server's REST paths name it. */
export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** As in the path: `services`. */
  readonly plural: string;
  readonly namespaced: boolean;
}

const namespaced = { namespaced: true } as const;
const global = { namespaced: false } as const;

/** The kinds of Kubernetes that pmz reads and writes. */
export const resources = {
  services: { group: "", version: "v1", plural: "services", ...namespaced },
  pods: { group: "", version: "v1", plural: "pods", ...namespaced },
  nodes: { group: "", version: "v1", plural: "nodes", ...global },
  namespaces: { group: "", version: "v1", plural: "namespaces", ...global },
  configMaps: { group: "", version: "v1", plural: "configmaps", ...namespaced },
  secrets: { group: "", version: "v1", plural: "secrets", ...namespaced },
  events: { group: "", version: "v1", plural: "events", ...namespaced },
  serviceAccounts: { group: "", version: "v1", plural: "serviceaccounts", ...namespaced },
  endpointSlices: { group: "discovery.k8s.io", version: "v1", plural: "endpointslices", ...namespaced },
  networkPolicies: { group: "networking.k8s.io", version: "v1", plural: "networkpolicies", ...namespaced },
  deployments: { group: "apps", version: "v1", plural: "deployments", ...namespaced },
  statefulSets: { group: "apps", version: "v1", plural: "statefulsets", ...namespaced },
  daemonSets: { group: "apps", version: "v1", plural: "daemonsets", ...namespaced },
  replicaSets: { group: "apps", version: "v1", plural: "replicasets", ...namespaced },
  customResourceDefinitions: {
    group: "apiextensions.k8s.io",
    version: "v1",
    plural: "customresourcedefinitions",
    ...global,
  },
  selfSubjectAccessReviews: {
    group: "authorization.k8s.io",
    version: "v1",
    plural: "selfsubjectaccessreviews",
    ...global,
  },
} as const satisfies Record<string, Resource>;

/**
 * The path of a resource's objects, or of one of them.
 *
 * @throws {TypeError} for a name that would change the path's structure
 */
export function pathOf(
  resource: Resource,
  at: { namespace?: string | undefined; name?: string | undefined; subresource?: string | undefined } = {},
): string {
  const root = resource.group === "" ? "/api" : `/apis/${segment(resource.group)}`;
  let path = `${root}/${segment(resource.version)}`;
  if (resource.namespaced && at.namespace !== undefined) path += `/namespaces/${segment(at.namespace)}`;
  path += `/${segment(resource.plural)}`;
  if (at.name !== undefined) path += `/${segment(at.name)}`;
  if (at.subresource !== undefined) path += `/${at.subresource.split("/").map(segment).join("/")}`;
  return path;
}

function segment(text: string): string {
  if (text === "" || text === "." || text === "..") {
    throw new TypeError(`"${text}" is not a valid name of an object`);
  }
  return encodeURIComponent(text);
}
