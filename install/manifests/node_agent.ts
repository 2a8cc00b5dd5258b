import type { Manifest } from "../../kube/apply/apply.ts";
import { environment } from "../../wire/agent_environment.ts";
import { HANDOVER_SOCKET } from "../../wire/handover.ts";
import { GROUP, RULE_PLURAL, SESSION_PLURAL } from "../../wire/intercept.ts";
import { NODE_NAMESPACE, ports } from "../../wire/places.ts";
import { admissionManifests } from "./admission.ts";
import { container, type ContainerParts, HEARTBEAT_FILE, scratchVolume } from "./container.ts";
import { crdManifests } from "./crds.ts";
import { namespace, noIngress } from "./namespace.ts";
import {
  annotationsOf,
  DENO_USER,
  labelsOf,
  type ManifestOptions,
  podLabels,
  uninjected,
  virtualNodes,
} from "./options.ts";
import { configMaps, payloadPlace } from "./payload.ts";
import { interceptManifests } from "./rbac.ts";
import { type Rule, serviceAccount } from "./service_account.ts";

/** The name of the node agent's DaemonSet and service account. */
export const NODE_AGENT = "node-agent";

/** The folder of the handover's socket: in memory, shared by attach and relay only. */
const RUN = HANDOVER_SOCKET.slice(0, HANDOVER_SOCKET.lastIndexOf("/"));
const TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount";
const run = { name: "run", mountPath: RUN };

const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });

/** attach has the rights (the API server's token, other pods' network namespaces), listens on no port, sees no traffic. */
export const attach: ContainerParts = {
  role: "attach",
  permissions: {
    allow: [
      "ffi",
      "net",
      `read=/host/proc,${RUN},${TOKEN}`,
      `write=${RUN},${HEARTBEAT_FILE}`,
      `env=${
        [
          environment.node,
          environment.podUid,
          environment.hostProc,
          environment.relayUid,
          environment.heartbeat,
          "KUBERNETES_SERVICE_HOST",
          "KUBERNETES_SERVICE_PORT",
          "KUBERNETES_SERVICE_PORT_HTTPS",
        ].join(",")
      }`,
    ],
    heapMiB: 256,
  },
  // SYS_ADMIN: setns, bpf. SYS_PTRACE: other processes' ns/net. NET_ADMIN: closing connections (SOCK_DESTROY), and reading the packet filters of pods.
  // NET_RAW: the sockets by which relay answers UDP in a pod's name.
  capabilities: ["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "NET_RAW"],
  env: [
    field(environment.podUid, "metadata.uid"),
    field(environment.node, "spec.nodeName"),
    { name: environment.hostProc, value: "/host/proc" },
    { name: environment.relayUid, value: String(DENO_USER) },
  ],
  mounts: [
    run,
    { name: "proc", mountPath: "/host/proc", readOnly: true },
    { name: "token", mountPath: TOKEN, readOnly: true },
  ],
  resources: { cpu: "20m", memory: "96Mi", memoryLimit: "512Mi" },
};

/** relay carries the traffic. It has no token and no capability, runs as another user, and sees no other process. */
export const relay: ContainerParts = {
  role: "relay",
  permissions: {
    // Connections of pods use sockets that attach made; relay itself only listens.
    allow: [
      "ffi",
      `net=127.0.0.1:${ports.relay},127.0.0.1:${ports.relayLanes}`,
      `read=${RUN}`,
      `write=${RUN},${HEARTBEAT_FILE}`,
      `env=${[environment.attachUid, environment.handover, environment.heartbeat].join(",")}`,
    ],
    heapMiB: 512,
  },
  capabilities: [],
  env: [],
  mounts: [run],
  resources: { cpu: "20m", memory: "96Mi", memoryLimit: "1Gi" },
};

/** The rights of attach's token. */
const rules: readonly Rule[] = [
  { apiGroups: [""], resources: ["services", "pods", "namespaces"], verbs: ["get", "list", "watch"] },
  { apiGroups: [GROUP], resources: [RULE_PLURAL, SESSION_PLURAL], verbs: ["get", "list", "watch"] },
  { apiGroups: [GROUP], resources: [`${RULE_PLURAL}/status`], verbs: ["patch"] },
  { apiGroups: [GROUP], resources: [SESSION_PLURAL], verbs: ["delete"] },
];

/** The token, which only attach mounts. */
const tokenVolume = {
  name: "token",
  projected: {
    defaultMode: 0o444,
    sources: [
      { serviceAccountToken: { path: "token", expirationSeconds: 3607 } },
      { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
      { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
    ],
  },
} as const;

/** The manifests of the node agent, with the kinds and roles that intercepts need. */
export function nodeManifests(options: ManifestOptions): Manifest[] {
  const place = payloadPlace("node", options);
  return [
    namespace(NODE_NAMESPACE, "node", "privileged"),
    noIngress(NODE_NAMESPACE, "node"),
    ...crdManifests(),
    ...serviceAccount(NODE_NAMESPACE, NODE_AGENT, "node", rules),
    ...interceptManifests(),
    ...options.modern ? admissionManifests() : [],
    ...configMaps(NODE_NAMESPACE, "node", options),
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: {
        namespace: NODE_NAMESPACE,
        name: NODE_AGENT,
        labels: labelsOf("node"),
        annotations: annotationsOf("node", options),
      },
      spec: {
        selector: { matchLabels: podLabels("node") },
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "10%" } },
        revisionHistoryLimit: 2,
        template: {
          metadata: {
            labels: { ...labelsOf("node"), ...uninjected.labels },
            annotations: {
              ...annotationsOf("node", options),
              ...uninjected.annotations,
              ...options.modern ? {} : unconfinedAnnotation,
            },
          },
          spec: {
            serviceAccountName: NODE_AGENT,
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            hostNetwork: false,
            hostPID: false,
            hostIPC: false,
            // The containers' processes are separate, so relay can't see those of attach.
            shareProcessNamespace: false,
            terminationGracePeriodSeconds: 10,
            affinity: onNodesOf(options.architectures),
            // An intercepted pod may run on any node.
            tolerations: [{ operator: "Exists" }],
            securityContext: {
              runAsUser: DENO_USER,
              runAsGroup: DENO_USER,
              fsGroup: DENO_USER,
              seccompProfile: { type: "RuntimeDefault" },
            },
            containers: [
              unconfined(container(attachFor(options), options, place), options),
              container(relay, options, place),
            ],
            volumes: [
              ...place.volumes,
              scratchVolume(attach),
              scratchVolume(relay),
              { name: "run", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
              { name: "proc", hostPath: { path: "/proc", type: "Directory" } },
              tokenVolume,
            ],
          },
        },
      },
    },
  ];
}

/**
 * attach, with what it needs on the cluster's nodes. Before Linux 5.11 BPF maps count against RLIMIT_MEMLOCK, mostly 64 KiB, which
 * holds those of one pod; SYS_RESOURCE raises it. Elsewhere nothing needs that.
 */
function attachFor({ limitsBpfMemory = false }: ManifestOptions): ContainerParts {
  return limitsBpfMemory ? { ...attach, capabilities: [...attach.capabilities, "SYS_RESOURCE"] } : attach;
}

/** AppArmor's default profile forbids attach to open other processes' ns/net. The field exists since 1.30. */
function unconfined(container: object, { modern }: ManifestOptions): object {
  if (!modern || !("securityContext" in container)) return container;
  const context = container.securityContext as object;
  return { ...container, securityContext: { ...context, appArmorProfile: { type: "Unconfined" } } };
}

const unconfinedAnnotation = {
  "container.apparmor.security.beta.kubernetes.io/attach": "unconfined",
} as const;

/** On machines that run Linux, and on no virtual node. */
function onNodesOf(architectures: readonly string[]): object {
  const matchExpressions = [
    { key: "kubernetes.io/os", operator: "In", values: ["linux"] },
    { key: "kubernetes.io/arch", operator: "In", values: [...architectures] },
    ...virtualNodes.map(([key, values]) => ({ key, operator: "NotIn", values: [...values] })),
  ];
  return {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] },
    },
  };
}
