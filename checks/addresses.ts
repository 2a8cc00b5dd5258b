import type { ClusterStatus } from "../wire/control.ts";
import type { Finding } from "../wire/doctor.ts";
import { type Check, ok, skipped, warning } from "./check.ts";
import { connectedClusters } from "./connected_clusters.ts";
import type { CheckParts } from "./parts.ts";

/** Services that are named in a finding; more are counted. */
const NAMED = 5;
const PROXY = "pmz up --proxy reaches those whose address this machine uses itself";

/** Whether every Service of the connected clusters has an address that this machine can reach it by. */
export const addresses: Check<Pick<CheckParts, "daemon">> = {
  id: "addresses",
  title: "Addresses",
  severity: "warning",
  needs: ["daemon"],
  remedy: "Run `pmz status`.",
  limitMs: 10_000,
  run: async ({ daemon }) => {
    const clusters = connectedClusters(await daemon());
    if (clusters.length === 0) {
      return [skipped("No cluster is connected for your programs: only pmz up does that.")];
    }
    return clusters.map(judge);
  },
};

function judge({ cluster, services, unreachable: { count, first } }: ClusterStatus): Finding {
  if (count === 0) return ok(`${cluster.context}: none of its ${services} Services is out of reach.`);
  const named = first.slice(0, NAMED).map(({ service, address, why }) => `${service} at ${address}: ${why}`);
  const more = count > named.length ? `; and ${count - named.length} more` : "";
  return warning(
    `${cluster.context}: some Services can't be reached by their addresses: ${named.join("; ")}${more}.`,
    [...new Set(first.flatMap(({ remedy = PROXY }) => remedy))].join("; "),
  );
}
