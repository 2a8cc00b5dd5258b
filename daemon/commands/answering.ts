import { parseAddress } from "../../net/address.ts";
import { readiness } from "../discovery/topology.ts";
import type { Mode } from "../../wire/control.ts";
import type { Cluster } from "../clusters/cluster.ts";
import type { Laptop } from "../laptop/laptop.ts";

/** ExternalNames that lead from one to the next; a longer chain isn't answered. */
const LONGEST_CHAIN = 8;

/**
 * How many Services answer: those whose names lead to an address that this laptop reaches (or out of the cluster), and
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
  const services = new Map(
    laptop.namesOf(cluster, mode).map((service) => [`${service.namespace}/${service.name}`, service]),
  );
  const end = `.svc.${cluster.zone.clusterDomain}`;
  const answers = (key: string, aliases = 0): boolean => {
    const service = services.get(key);
    if (!service) return false;
    const { addresses, externalName } = service;
    if (externalName === undefined) {
      return addresses.length > 0 && (ready === undefined || ready(key).ports.size > 0);
    }
    if (parseAddress(externalName) || aliases === LONGEST_CHAIN) return false;
    const to = externalName.toLowerCase().replace(/\.$/, "");
    const [name = "", namespace = "", ...more] = to.endsWith(end) ? to.slice(0, -end.length).split(".") : [];
    if (namespace === "" || more.length > 0) return true; // outside, or a pod of a Service
    return answers(`${namespace}/${name}`, aliases + 1);
  };
  return [...services.keys()].filter((key) => answers(key)).length;
}
