import { contextDomain } from "../names/zone/cluster_names.ts";
import { isPublicTld } from "../names/zone/public_tlds.ts";
import type { ZoneData } from "../names/zone/zone_data.ts";

/**
 * Why a domain of the user's would hide names that lead to Services; undefined when it hides none.
 * @param domain lower case, without a dot at its end; "*." before one for all below it
 */
export function whyShadowing(domain: string, zones: readonly ZoneData[]): string | undefined {
  const suffixes = ["svc", "cluster.local", ...zones.flatMap(suffixesOf)];
  const suffix = suffixes.find((one) => domain === one || domain.endsWith(`.${one}`));
  if (suffix !== undefined) return `names under ${suffix} belong to the cluster's Services`;
  const [first = "", namespace, ...more] = domain.split(".");
  if (more.length > 0 || (namespace !== undefined && isPublicTld(namespace))) return undefined;
  const hidden = zones.flatMap((zone) => zone.services).find((service) =>
    namespace === undefined
      ? service.name === first
      : service.namespace === namespace && (first === "*" || service.name === first)
  );
  if (hidden === undefined) return undefined;
  return `it would hide the name of the Service ${hidden.name} in the namespace ${hidden.namespace}`;
}

function suffixesOf({ clusterDomain, context }: ZoneData): string[] {
  const ofContext = contextDomain(context);
  return [clusterDomain, ...ofContext === undefined ? [] : [`svc.${ofContext}`]];
}
