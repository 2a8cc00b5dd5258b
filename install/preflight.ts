import type { Api } from "../kube/client/api.ts";
import { ApiError } from "../kube/client/api_error.ts";
import { child, field, list, record, textMap } from "../kube/objects/parse.ts";
import { type Resource, resources } from "../kube/client/resources.ts";
import { labels, NODE_NAMESPACE } from "../wire/places.ts";

const roleBindings: Resource = {
  group: "rbac.authorization.k8s.io",
  version: "v1",
  plural: "rolebindings",
  namespaced: true,
};

/**
 * Checks that the node agent's namespace belongs to pmz alone. Its pods are privileged: who may change pods there is root on
 * the nodes.
 * @throws {Error} when it has other pods or role bindings. @throws {ApiError} when the cluster can't be asked.
 */
export async function preflight(api: Api, signal: AbortSignal): Promise<void> {
  const at = { namespace: NODE_NAMESPACE };
  const pods = await listed(api, resources.pods, at, signal);
  const others = pods.filter((pod) => {
    const metadata = child(pod, "metadata", "pod");
    return textMap(metadata, "labels", "metadata")[labels.partOf] !== "pmz";
  });
  if (others.length > 0) {
    throw new Error(
      `Namespace ${NODE_NAMESPACE} is privileged, so it must belong to pmz alone. It has other pods: ` +
        `${names(others)}. Move them, then deploy again.`,
    );
  }
  const bindings = (await listed(api, roleBindings, at, signal)).filter((binding) =>
    list(binding, "subjects", "binding", 10_000, record).length > 0 &&
    !isOwn(child(binding, "roleRef", "binding"))
  );
  if (bindings.length > 0) {
    throw new Error(
      `Namespace ${NODE_NAMESPACE} is privileged, so it must belong to pmz alone. It has other RoleBindings: ` +
        `${names(bindings)}. Only the Role pmz-intercept may be bound there. Remove them, then deploy again.`,
    );
  }
}

function isOwn(roleRef: Parameters<typeof field>[0]): boolean {
  return field(roleRef, "kind") === "Role" && field(roleRef, "name") === "pmz-intercept";
}

function names(objects: readonly Parameters<typeof child>[0][]): string {
  const all = objects.map((each) => String(field(child(each, "metadata", "object"), "name")));
  return all.length > 5 ? `${all.slice(0, 5).join(", ")} and ${all.length - 5} more` : all.join(", ");
}

/** All objects of a resource; none without the right to list them, which the installing user may lack. */
async function listed(api: Api, resource: Resource, at: { namespace: string }, signal: AbortSignal) {
  try {
    return (await api.list(resource, at, { signal })).items.map((each) => record(each, resource.plural));
  } catch (error) {
    if (ApiError.is(error, "Forbidden")) return [];
    throw error;
  }
}
