import type { Manifest } from "../../kube/apply/apply.ts";
import type { Component } from "../../wire/installer.ts";
import { labelsOf } from "./options.ts";

/** A rule of RBAC. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** A service account with rights in the whole cluster. Its token is mounted only by pod specs that ask for it. */
export function serviceAccount(
  namespace: string,
  name: string,
  component: Component,
  rules: readonly Rule[],
): Manifest[] {
  const clusterRole = `pmz-${name}`;
  return [
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { namespace, name, labels: labelsOf(component) },
      automountServiceAccountToken: false,
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: clusterRole, labels: labelsOf(component) },
      rules,
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: clusterRole, labels: labelsOf(component) },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: clusterRole },
      subjects: [{ kind: "ServiceAccount", namespace, name }],
    },
  ];
}
