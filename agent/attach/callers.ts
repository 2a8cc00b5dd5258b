/** Which addresses callers have that a personal rule names by their namespace and labels. */
import type { Pod } from "../../kube/objects/objects.ts";
import { mayRun, selects } from "../../kube/objects/selectors.ts";
import type { InterceptRule } from "../../wire/intercept.ts";
import type { CallerMatch } from "../../wire/match.ts";
import { fairChoice } from "./shares.ts";

/** Addresses of one rule's callers; those of further pods don't match. */
export const MOST_CALLER_ADDRESSES = 2_000;
/** Namespaces whose pods are followed as callers, of all rules: each namespace that has rules gets its share of them. */
const MOST_CALLER_NAMESPACES = 64;

/** The namespaces whose pods are followed. Older rules come first among those of one namespace. */
export function callerNamespaces(rules: readonly InterceptRule[]): Set<string> {
  const oldestFirst = rules.filter(({ match }) => match?.callers).toSorted((a, b) => {
    const [x, y] = [a, b].map(({ created, uid }) => `${created} ${uid}`) as [string, string];
    return x < y ? -1 : 1;
  });
  const tenants = Map.groupBy(oldestFirst, ({ namespace }) => namespace);
  const wanted = [...tenants.values()].map((own) =>
    own.flatMap(({ match }) => match?.callers ?? []).map(({ namespace }) => namespace)
  );
  return fairChoice(wanted, MOST_CALLER_NAMESPACES);
}

/** What a rule's callers are on this node. */
export interface FoundCallers {
  readonly addresses: readonly string[];
  /** Why not all are found, for people. */
  readonly missing?: string;
}

/** The addresses of a rule's callers, by the namespaces that are followed and the pods in them. */
export function findCallers(
  { namespace: tenant, match }: InterceptRule,
  followed: ReadonlySet<string>,
  pods: readonly Pod[],
): FoundCallers | undefined {
  if (match?.callers === undefined) return undefined;
  const unfollowed = match.callers.find(({ namespace }) => !followed.has(namespace));
  const addresses = callerAddresses(match.callers, pods);
  const found = addresses.slice(0, MOST_CALLER_ADDRESSES);
  if (unfollowed) {
    const missing = `callers in namespace ${unfollowed.namespace} aren't found: a node follows ` +
      `${MOST_CALLER_NAMESPACES} namespaces of callers, and the rules of namespace ${tenant} have their share`;
    return { addresses: found, missing };
  }
  if (addresses.length === found.length) return { addresses };
  const missing =
    `callers with ${addresses.length} addresses match, and only ${MOST_CALLER_ADDRESSES} are found`;
  return { addresses: found, missing };
}

/**
 * The addresses of the pods that match. A pod on its node's network has none of its own: its connections come from the
 * node's address, as others' do.
 */
export function callerAddresses(callers: readonly CallerMatch[], pods: readonly Pod[]): string[] {
  const addresses = new Set<string>();
  for (const pod of pods) {
    if (pod.hostNetwork || !mayRun(pod)) continue;
    const matches = callers.some(({ namespace, labels }) =>
      namespace === pod.namespace && (labels === undefined || selects(labels, pod))
    );
    if (matches) { for (const address of pod.podIPs) addresses.add(address); }
  }
  return [...addresses].sort();
}
