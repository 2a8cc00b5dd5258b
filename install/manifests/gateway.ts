import type { Manifest } from "../../kube/apply/apply.ts";
import { GATEWAY_NAMESPACE } from "../../wire/places.ts";
import { environment } from "../../wire/agent_environment.ts";
import { container, type ContainerParts, HEARTBEAT_FILE, scratchVolume } from "./container.ts";
import { namespace, noIngress } from "./namespace.ts";
import {
  annotationsOf,
  DENO_USER,
  labelsOf,
  type ManifestOptions,
  podLabels,
  uninjected,
} from "./options.ts";
import { configMaps, payloadPlace } from "./payload.ts";
import { useManifests } from "./rbac.ts";
import { serviceAccount } from "./service_account.ts";

/** The name of the gateway's Deployment and service account. */
export const GATEWAY = "gateway";

function parts(options: ManifestOptions): ContainerParts {
  return {
    role: "gateway",
    permissions: {
      allow: [
        "ffi",
        "net",
        "read=/var/run/secrets/kubernetes.io/serviceaccount",
        `write=${HEARTBEAT_FILE}`,
        `env=${
          [
            "KUBERNETES_SERVICE_HOST",
            "KUBERNETES_SERVICE_PORT",
            "KUBERNETES_SERVICE_PORT_HTTPS",
            environment.ranges,
            environment.heartbeat,
          ].join(",")
        }`,
      ],
      heapMiB: 512,
    },
    capabilities: [],
    env: [{ name: environment.ranges, value: options.ranges.join(",") }],
    mounts: [],
    resources: { cpu: "50m", memory: "96Mi", memoryLimit: "1Gi" },
  };
}

/** Seconds after which the gateway of a node that counts as gone is replaced: everybody's connections wait for that; 300 by default. */
const GONE_S = 10;

function soonGone(taint: string): object {
  const key = `node.kubernetes.io/${taint}`;
  return { key, operator: "Exists", effect: "NoExecute", tolerationSeconds: GONE_S };
}

/** The manifests of the gateway, with the roles that its users need. */
export function gatewayManifests(options: ManifestOptions): Manifest[] {
  const place = payloadPlace("gateway", options);
  const gateway = parts(options);
  return [
    namespace(GATEWAY_NAMESPACE, "gateway", "restricted"),
    noIngress(GATEWAY_NAMESPACE, "gateway"),
    ...serviceAccount(GATEWAY_NAMESPACE, GATEWAY, "gateway", [
      { apiGroups: [""], resources: ["services", "pods", "nodes"], verbs: ["list", "watch"] },
    ]),
    ...useManifests(),
    ...configMaps(GATEWAY_NAMESPACE, "gateway", options),
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: {
        namespace: GATEWAY_NAMESPACE,
        name: GATEWAY,
        labels: labelsOf("gateway"),
        annotations: annotationsOf("gateway", options),
      },
      spec: {
        // No `replicas`, so that an apply keeps the number to which an administrator scaled it.
        selector: { matchLabels: podLabels("gateway") },
        // The new pod is ready before the old one ends, and laptops redial by themselves.
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        revisionHistoryLimit: 2,
        template: {
          metadata: {
            labels: { ...labelsOf("gateway"), ...uninjected.labels },
            annotations: { ...annotationsOf("gateway", options), ...uninjected.annotations },
          },
          spec: {
            serviceAccountName: GATEWAY,
            automountServiceAccountToken: true,
            enableServiceLinks: false,
            terminationGracePeriodSeconds: 30,
            nodeSelector: { "kubernetes.io/os": "linux" },
            // Of several replicas, two on one node would be gone with it.
            topologySpreadConstraints: [{
              maxSkew: 1,
              topologyKey: "kubernetes.io/hostname",
              whenUnsatisfiable: "ScheduleAnyway",
              labelSelector: { matchLabels: podLabels("gateway") },
            }],
            tolerations: ["not-ready", "unreachable"].map(soonGone),
            securityContext: {
              runAsNonRoot: true,
              runAsUser: DENO_USER,
              runAsGroup: DENO_USER,
              fsGroup: DENO_USER,
              seccompProfile: { type: "RuntimeDefault" },
            },
            containers: [container(gateway, options, place)],
            volumes: [...place.volumes, scratchVolume(gateway)],
          },
        },
      },
    },
  ];
}
