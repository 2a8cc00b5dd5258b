/** Which addresses callers have that a personal rule names by their namespace and labels. */
import type { Pod } from "../../kube/objects/objects.ts";
import { mayRun, selects } from "../../kube/objects/selectors.ts";
import type { CallerMatch } from "../../wire/match.ts";

/** Addresses of one rule's callers; those of further pods don't match. */
export const MOST_CALLER_ADDRESSES = 2_000;

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
  return [...addresses].sort().slice(0, MOST_CALLER_ADDRESSES);
}
