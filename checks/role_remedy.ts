import { GATEWAY_NAMESPACE, NODE_NAMESPACE } from "../wire/places.ts";

/** Namespaces that have a Role of pmz's; elsewhere the ClusterRole of that name is bound (install/manifests/rbac.ts). */
const withRole: readonly string[] = [GATEWAY_NAMESPACE, NODE_NAMESPACE];

/** What an administrator types so that a user has one of pmz's roles: in a namespace, or everywhere without one. */
export function roleRemedy(
  role: "pmz-use" | "pmz-intercept",
  namespace: string | undefined,
  user: string,
): string {
  const of = `${role}-${slug(user)} --user=${quoted(user)}`;
  const line = namespace === undefined
    ? `kubectl create clusterrolebinding ${of} --clusterrole=${role}`
    : `kubectl -n ${namespace} create rolebinding ${of} --${
      withRole.includes(namespace) ? "role" : "clusterrole"
    }=${role}`;
  return `Ask an administrator of the cluster: ${line}`;
}

/** A user's name as a part of an object's name (RFC 1123). */
function slug(user: string): string {
  return user.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 40) || "user";
}

/** A word for a shell. */
function quoted(text: string): string {
  return /^[\w@.:/+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
