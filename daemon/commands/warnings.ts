import { daemonChecks } from "../../checks/registry.ts";
import { nameServicePaths } from "../../checks/parts.ts";
import { warningsOf } from "../../checks/warnings.ts";
import type { Status, Warning } from "../../wire/control.ts";
import type { LaptopCluster } from "../laptop/laptop_cluster.ts";
import { readResolver } from "../laptop/resolv_conf.ts";

/** What keeps captured clusters from working for the user's programs: what the registry's checks see from here. */
export async function warnings(
  clusters: readonly LaptopCluster[],
  helper: Status["helper"],
  paths = nameServicePaths,
): Promise<Warning[]> {
  const captured = clusters.filter(({ connection }) => connection.mode === "capture");
  if (captured.length === 0) return [];
  const namespaces = captured.flatMap(({ index }) =>
    [...index.services.values()].map(({ namespace }) => namespace)
  );
  return await warningsOf(daemonChecks, {
    capture: () => Promise.resolve({ isWanted: true, helper }),
    nameService: paths,
    resolver: readResolver,
    namespaces: () => Promise.resolve(namespaces),
  });
}
