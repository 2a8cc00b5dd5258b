import type { ClusterStatus } from "../wire/control.ts";
import type { DaemonView } from "../wire/doctor.ts";

/** The clusters that programs of this machine reach by the gateway: not those that are connected for intercepts alone. */
export function connectedClusters(daemon: DaemonView): readonly ClusterStatus[] {
  return daemon.state === "running" ? daemon.status.clusters.filter(({ mode }) => mode !== "intercept") : [];
}
