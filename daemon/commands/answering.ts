import { readiness } from "../discovery/topology.ts";
import type { Mode } from "../../wire/control.ts";
import type { Cluster } from "../clusters/cluster.ts";
import type { Laptop } from "../laptop/laptop.ts";

/**
 * How many Services answer: those whose names lead to an address that this laptop reaches (or to another name), and
 * that have an endpoint that serves, as far as that may be seen.
 * @param mode as in `namesOf`
 */
export function answering(
  cluster: Cluster,
  laptop: Laptop,
  mode: Mode = cluster.connection.mode,
): number {
  const { slices } = cluster.connection.topology;
  const ready = slices && readiness(slices);
  return laptop.namesOf(cluster, mode).filter(({ namespace, name, addresses, externalName }) =>
    externalName !== undefined ||
    (addresses.length > 0 && (ready === undefined || ready(`${namespace}/${name}`).ports.size > 0))
  ).length;
}
