import type { ClusterStatus } from "../wire/control.ts";
import { controlFiles } from "../wire/control.ts";
import type { Finding } from "../wire/doctor.ts";
import { type Check, failed, ok, sentence, skipped } from "./check.ts";
import { connectedClusters } from "./connected_clusters.ts";
import type { CheckParts } from "./parts.ts";

/** Whether the tunnel to each connected cluster is up, as the daemon says. */
export const tunnel: Check<Pick<CheckParts, "daemon" | "stateFolder">> = {
  id: "tunnel",
  title: "Tunnel",
  severity: "failed",
  needs: ["daemon"],
  remedy: "Run `pmz status`.",
  limitMs: 10_000,
  run: async ({ daemon, stateFolder }) => {
    const clusters = connectedClusters(await daemon());
    if (clusters.length === 0) {
      return [skipped("No cluster is connected for your programs: only pmz up does that.")];
    }
    return clusters.map((cluster) => judge(cluster, `${stateFolder}/${controlFiles.log}`));
  },
};

function judge({ cluster, tunnel, roundTripMs }: ClusterStatus, log: string): Finding {
  if (tunnel.state === "connected") {
    const trip = roundTripMs === undefined ? "" : `, round trip ${roundTripMs} ms`;
    return ok(`${cluster.context}: connected to the pod ${tunnel.pod}${trip}.`);
  }
  return failed(
    `${cluster.context}: not connected: ${tunnel.why.replace(/\.$/, "")}.`,
    `${sentence(tunnel.remedy ?? "see what runs in the cluster: pmz agent status")} The daemon's log: ${log}`,
  );
}
