import { ok, skipped, warning } from "../../../checks/check.ts";
import type { Api } from "../../../kube/client/api.ts";
import { ApiError } from "../../../kube/client/api_error.ts";
import { resources } from "../../../kube/client/resources.ts";
import type { Pod } from "../../../kube/objects/objects.ts";
import { type Infer, list, object, optional, type Schema, text, value } from "../../../wire/schema.ts";
import type { Finding } from "../../../wire/finding.ts";
import { GATEWAY_NAMESPACE } from "../../../wire/places.ts";

/** The API server has this long to list them, in milliseconds. */
const LIST_TIMEOUT_MS = 2_000;
/** Policies that are named. */
const NAMED = 5;

const labels: Schema<Readonly<Record<string, string>>> = value(
  "map of labels",
  "texts by name",
  (raw) => {
    if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return undefined;
    const isValid = Object.values(raw).every((one) => typeof one === "string");
    return isValid ? raw as Readonly<Record<string, string>> : undefined; // each value was looked at
  },
);
const selector = object({
  matchLabels: optional(labels),
  matchExpressions: optional(
    list(object({ key: text(317), operator: text(32), values: optional(list(text(63), 1_000)) }), 100),
  ),
});
type Selector = Infer<typeof selector>;
const policy = object({
  metadata: object({ namespace: text(63), name: text(253) }),
  spec: object({
    podSelector: optional(selector),
    policyTypes: optional(list(text(32), 2)),
    egress: optional(value("list", "a list", (raw) => Array.isArray(raw) ? raw : undefined)),
  }),
});

/** A NetworkPolicy, as far as it says which pods it is about. */
export type Policy = Infer<typeof policy>;

/** Whether a selector of labels takes a pod (meta/v1 LabelSelector): an empty one takes every pod. */
export function takes(
  { matchLabels = {}, matchExpressions = [] }: Selector,
  pod: Pick<Pod, "labels">,
): boolean {
  const label = (key: string) => Object.hasOwn(pod.labels, key) ? pod.labels[key] : undefined;
  return Object.entries(matchLabels).every(([key, wanted]) => label(key) === wanted) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const has = label(key);
      switch (operator) {
        case "In":
          return has !== undefined && values.includes(has);
        case "NotIn":
          return has === undefined || !values.includes(has);
        case "Exists":
          return has !== undefined;
        case "DoesNotExist":
          return has === undefined;
        default:
          return true; // of a Kubernetes that is newer: it may apply
      }
    });
}

/** The policies that may keep the gateway from pods: those about what comes to them, and about what leaves the gateway. */
export async function policiesHop(api: Api, namespace: string, pods: readonly Pod[]): Promise<Finding> {
  try {
    const [there, gateways] = await Promise.all(
      [namespace, GATEWAY_NAMESPACE].map((one) => policiesIn(api, one)),
    );
    const incoming = (there ?? []).filter(({ spec: { podSelector = {}, policyTypes } }) =>
      (policyTypes?.includes("Ingress") ?? true) && pods.some((pod) => takes(podSelector, pod))
    );
    const outgoing = (gateways ?? []).filter(({ spec: { policyTypes, egress } }) =>
      policyTypes?.includes("Egress") ?? egress !== undefined
    );
    const names = [
      ...new Set([...incoming, ...outgoing].map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)),
    ];
    if (names.length === 0) return ok("no NetworkPolicy selects its pods or the gateway's");
    const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : "";
    return warning(
      `these NetworkPolicies may keep the gateway from its pods: ${names.slice(0, NAMED).join(", ")}${more}`,
      `connections come from the pods of the namespace ${GATEWAY_NAMESPACE}: allow those, or look: kubectl -n ${namespace} describe networkpolicies`,
    );
  } catch (error) {
    if (ApiError.is(error, "Forbidden")) {
      return skipped(
        "NetworkPolicies may not be listed with these credentials: ask an administrator whether one applies",
      );
    }
    return skipped(`NetworkPolicies can't be listed: ${error instanceof Error ? error.message : error}`);
  }
}

async function policiesIn(api: Api, namespace: string): Promise<Policy[]> {
  const signal = AbortSignal.timeout(LIST_TIMEOUT_MS);
  const { items } = await api.list(resources.networkPolicies, { namespace }, { signal });
  return items.flatMap((item) => {
    try {
      return [policy.parse(item, "")];
    } catch {
      return []; // of a Kubernetes that is newer
    }
  });
}
