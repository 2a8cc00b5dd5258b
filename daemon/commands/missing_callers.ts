import type { Api } from "../../kube/client/api.ts";
import { selects } from "../../kube/objects/selectors.ts";
import type { CallerMatch, Match } from "../../wire/match.ts";
import { isNamespaceMissing } from "../discovery/missing_namespace.ts";
import { seesPods, type Topology } from "../discovery/topology.ts";

/** Of the callers that a match names, those that aren't there, in words: a rule for them takes nothing, silently. */
export async function missingCallers(
  { api, topology }: { readonly api: Pick<Api, "get">; readonly topology: Topology },
  { callers = [] }: Match = {},
): Promise<string[]> {
  const missing = await Promise.all(callers.map((caller) => whyMissing(api, topology, caller)));
  return missing.filter((why) => why !== undefined);
}

async function whyMissing(
  api: Pick<Api, "get">,
  topology: Topology,
  { namespace, labels }: CallerMatch,
): Promise<string | undefined> {
  if (seesPods(topology, namespace)) {
    if (labels === undefined || Object.keys(labels).length === 0) return undefined;
    const isThere = topology.pods.values().some((pod) => pod.namespace === namespace && selects(labels, pod));
    if (isThere) return undefined;
    const words = Object.entries(labels).map(([name, text]) => `${name}=${text}`).join(",");
    return `no pod of the namespace ${namespace} has the labels ${words}: nothing is taken from there until one has`;
  }
  const isMissing = await isNamespaceMissing({ api, topology }, namespace);
  return isMissing ? `there is no namespace ${namespace}: nothing is taken from there` : undefined;
}
