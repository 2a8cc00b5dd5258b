import type { AgentComponent } from "../wire/installer.ts";
import { GATEWAY_NAMESPACE, NODE_NAMESPACE } from "../wire/places.ts";

/** Namespaces that have a Role of pmz's; elsewhere the ClusterRole of that name is bound (install/manifests/rbac.ts). */
const withRole: readonly string[] = [GATEWAY_NAMESPACE, NODE_NAMESPACE];

/** The part of pmz that brings a role, and its namespace, into the cluster. */
const installedWith = { "pmz-use": "gateway", "pmz-intercept": "node" } as const;

/** Who is to have a role, and what is known of the agents. */
export interface RoleSubject {
  readonly user: string;
  readonly agents?: readonly AgentComponent[];
}

/**
 * What an administrator types so that a user has one of pmz's roles: in a namespace, or everywhere without one. The role,
 * and pmz's own namespaces, are there only once the agent is installed.
 */
export function roleRemedy(
  role: keyof typeof installedWith,
  namespace: string | undefined,
  { user, agents = [] }: RoleSubject,
): string {
  const of = `${role}-${slug(user)} --user=${quoted(user)}`;
  const line = namespace === undefined
    ? `kubectl create clusterrolebinding ${of} --clusterrole=${role}`
    : `kubectl -n ${namespace} create rolebinding ${of} --${
      withRole.includes(namespace) ? "role" : "clusterrole"
    }=${role}`;
  const ask = "Ask an administrator of the cluster:";
  switch (agents.find(({ component }) => component === installedWith[role])?.state) {
    case "absent":
      return `${ask} pmz agent deploy && ${line}`;
    case "unknown":
      // The line comes last, so that it can be pasted as it is.
      return `Ask an administrator of the cluster (pmz agent deploy comes first, where it wasn't run): ${line}`;
    default:
      return `${ask} ${line}`;
  }
}

/** A user's name as a part of an object's name (RFC 1123). */
function slug(user: string): string {
  return user.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 40) || "user";
}

/** A word for a shell. */
function quoted(text: string): string {
  return /^[\w@.:/+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
