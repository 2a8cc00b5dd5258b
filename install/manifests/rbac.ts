import type { Manifest } from "../../kube/apply/apply.ts";
import { GROUP, RULE_PLURAL, SESSION_PLURAL } from "../../wire/intercept.ts";
import { GATEWAY_NAMESPACE, NODE_NAMESPACE } from "../../wire/places.ts";
import { labelsOf } from "./options.ts";
import type { Rule } from "./service_account.ts";

const RBAC = "rbac.authorization.k8s.io/v1";

/** Rights to port-forward to the agents' pods; Kubernetes 1.35 and newer require both verbs. */
const portForward: readonly Rule[] = [
  { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] },
  { apiGroups: [""], resources: ["pods/portforward"], verbs: ["get", "create"] },
];

/**
 * The roles of users who connect with pmz; an administrator binds them. A user with these roles reaches everything that the
 * gateway reaches, and NetworkPolicies see the gateway's pod as the source.
 */
export function useManifests(): Manifest[] {
  const labels = labelsOf("use");
  return [
    {
      apiVersion: RBAC,
      kind: "Role",
      metadata: { namespace: GATEWAY_NAMESPACE, name: "pmz-use", labels },
      rules: [...portForward, { apiGroups: ["apps"], resources: ["deployments"], verbs: ["get"] }],
    },
    {
      apiVersion: RBAC,
      kind: "ClusterRole",
      metadata: { name: "pmz-use", labels },
      rules: [
        { apiGroups: [""], resources: ["services", "pods", "nodes"], verbs: ["get", "list", "watch"] },
        { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["get", "list", "watch"] },
      ],
    },
  ];
}

/**
 * The roles of users who intercept; an administrator binds the ClusterRole in the namespaces where they may. It isn't
 * aggregated to `edit`, which CI accounts have, too.
 */
export function interceptManifests(): Manifest[] {
  const labels = labelsOf("intercept");
  return [
    {
      apiVersion: RBAC,
      kind: "Role",
      metadata: { namespace: NODE_NAMESPACE, name: "pmz-intercept", labels },
      rules: [...portForward, { apiGroups: ["apps"], resources: ["daemonsets"], verbs: ["get"] }],
    },
    {
      apiVersion: RBAC,
      kind: "ClusterRole",
      metadata: { name: "pmz-intercept", labels },
      rules: [
        {
          apiGroups: [GROUP],
          resources: [RULE_PLURAL, SESSION_PLURAL],
          verbs: ["get", "list", "watch", "create", "update", "patch", "delete"],
        },
        { apiGroups: [""], resources: ["services", "pods"], verbs: ["get", "list", "watch"] },
        { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["get", "list", "watch"] },
      ],
    },
  ];
}
