/** The environment variables that the pod specs set for the agents' containers. */
export const environment = {
  /** All: the file into which a container writes its heartbeat, for the kubelet's probes. */
  heartbeat: "PMZ_BEAT",
  /** Gateway: ranges that it may dial besides Services and pods, in CIDR notation, separated by commas. */
  ranges: "PMZ_RANGES",
  /** attach: the name of its node. */
  node: "NODE_NAME",
  /** attach: the UID of its own pod. */
  podUid: "POD_UID",
  /** attach: where the node's /proc is mounted; `/host/proc` by default. */
  hostProc: "PMZ_HOST_PROC",
  /** attach: the user that relay runs as; the stock image's by default. */
  relayUid: "PMZ_RELAY_UID",
  /** relay: the user that attach runs as; root by default. */
  attachUid: "PMZ_ATTACH_UID",
  /** relay: the path of attach's socket, if it isn't the one in handover.ts. */
  handover: "PMZ_HANDOVER",
} as const;
