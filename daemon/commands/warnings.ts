import { cheapChecks } from "../../checks/registry.ts";
import { nameServicePaths } from "../../checks/parts.ts";
import { runChecks } from "../../checks/run.ts";
import type { Warning } from "../../wire/control.ts";
import type { LaptopCluster } from "../laptop/laptop_cluster.ts";
import { readResolver } from "../laptop/resolv_conf.ts";

/** What keeps names of a cluster from working for the user's programs, while they are captured: what the cheap checks see. */
export async function warnings(
  clusters: readonly LaptopCluster[],
  paths = nameServicePaths,
): Promise<Warning[]> {
  const captured = clusters.filter(({ connection }) => connection.mode === "capture");
  if (captured.length === 0) return [];
  const namespaces = captured.flatMap(({ index }) =>
    [...index.services.values()].map(({ namespace }) => namespace)
  );
  const results = await runChecks(cheapChecks, {
    nameService: paths,
    resolver: readResolver,
    namespaces: () => Promise.resolve(namespaces),
  });
  return results.flatMap(({ findings }) => findings).flatMap((finding) =>
    "remedy" in finding ? [{ message: finding.saw, hint: finding.remedy }] : []
  );
}
