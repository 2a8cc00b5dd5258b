/** Well-known names and ports that laptop and cluster share. */

/** The namespace of the gateway (restricted Pod Security). */
export const GATEWAY_NAMESPACE = "pmz";
/** The namespace of the node agent (privileged Pod Security). */
export const NODE_NAMESPACE = "pmz-node";

/** Ports on loopback of the agents' pods, which only the API server's port-forward reaches. */
export const ports = {
  /** gateway: the tunnel; the laptop is the HTTP/2 client. */
  gateway: 8100,
  /** gateway: the tunnel too, by two port-forwards that it joins (lanes.ts). */
  gatewayLanes: 8101,
  /** relay (node agent): the reversed tunnel; relay is the HTTP/2 client of a connection that the laptop made. */
  relay: 8200,
  /** relay: the reversed tunnel too, by two port-forwards that it joins (lanes.ts). */
  relayLanes: 8201,
} as const;

/** Labels of everything that pmz installs in a cluster. */
export const labels = {
  partOf: "app.kubernetes.io/part-of",
  component: "app.kubernetes.io/component",
  name: "app.kubernetes.io/name",
} as const;

/** The label selectors by which the laptop finds the agents' pods. */
export const selectors = {
  gateway: "app.kubernetes.io/part-of=pmz,app.kubernetes.io/component=gateway",
  node: "app.kubernetes.io/part-of=pmz,app.kubernetes.io/component=node",
} as const;

/** Annotation of the agents' pods: the digest of their payload, "sha256:HEX". */
export const PAYLOAD_ANNOTATION = "pmz.dev/payload";
/** Annotation of the agents: the versions of all that they speak with laptops (agent_versions.ts). */
export const VERSIONS_ANNOTATION = "pmz.dev/versions";
/** Annotation of the agents for pmz 0.1.0, which reads no other: the newest and the oldest version of `tunnel`, "1-1". */
export const PROTOCOL_ANNOTATION = "pmz.dev/protocol";
/** Label of a namespace whose Services must not be intercepted; its value is "denied". */
export const INTERCEPT_LABEL = "pmz.dev/intercept";
