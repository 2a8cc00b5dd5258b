import type { Manifest } from "../../kube/apply/apply.ts";
import type { Component } from "../../wire/installer.ts";
import { INTERCEPT_LABEL } from "../../wire/places.ts";
import { labelsOf } from "./options.ts";

/** A namespace of pmz, with the Pod Security level that its pods need. Its Services can't be intercepted. */
export function namespace(name: string, component: Component, level: "restricted" | "privileged"): Manifest {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name,
      labels: {
        ...labelsOf(component),
        [INTERCEPT_LABEL]: "denied",
        "pod-security.kubernetes.io/enforce": level,
        "pod-security.kubernetes.io/audit": level,
        "pod-security.kubernetes.io/warn": level,
      },
    },
  };
}

/** A NetworkPolicy against all ingress: the API server's port-forward, the only way in, goes to the pods' loopback. */
export function noIngress(namespace: string, component: Component): Manifest {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { namespace, name: "no-ingress", labels: labelsOf(component) },
    spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [] },
  };
}
