/**
 * Computes each rule's status for this node's pods, and what has to be written. It is derived from the plan and from the
 * status that the API server has, so a restart needs no memory.
 */
import { GROUP, type InterceptedPod, type InterceptRule, parseRule, VERSION } from "../../wire/intercept.ts";
import { isTerminating } from "../../kube/objects/selectors.ts";
import { type NodePlan, type PlannedPort, rulesOf } from "./plan.ts";

/** A rule, with `podsReady` of its status, which is for people only. */
export interface WatchedRule {
  readonly rule: InterceptRule;
  readonly podsReady?: string;
}

/**
 * Parses a rule of the API server.
 * @throws {TypeError} when it isn't a valid one.
 */
export function parseWatchedRule(raw: unknown): WatchedRule {
  const rule = parseRule(raw);
  const { status } = raw as { status?: { podsReady?: unknown } };
  return typeof status?.podsReady === "string" ? { rule, podsReady: status.podsReady } : { rule };
}

/** The state of a planned port; the reason says why it isn't steered (yet), or what is left out though it is. */
export type PortState = { readonly state: "ready"; readonly reason?: string } | {
  readonly state: "waiting" | "refused";
  readonly reason: string;
};

/** This node's status entries, by the rule's UID. Pods that are being deleted have none. */
export function statusEntries(
  plan: NodePlan,
  node: string,
  stateOf: (podUid: string, port: PlannedPort, rule: InterceptRule) => PortState,
): Map<string, InterceptedPod[]> {
  const all = new Map<string, InterceptedPod[]>();
  const add = (rule: InterceptRule, entry: InterceptedPod) => {
    const list = all.get(rule.uid);
    if (list) list.push(entry);
    else all.set(rule.uid, [entry]);
  };
  for (const { pod, ports } of plan.pods.values()) {
    if (isTerminating(pod)) continue;
    for (const port of ports) {
      for (const rule of rulesOf(port)) {
        add(rule, { node, pod: pod.name, uid: pod.uid, ...stateOf(pod.uid, port, rule) });
      }
    }
  }
  for (const { rule, pod, reason } of plan.refusals) {
    add(rule, { node, pod: pod.name, uid: pod.uid, state: "refused", reason: reason.slice(0, 1024) });
  }
  for (const list of all.values()) list.sort((a, b) => a.uid < b.uid ? -1 : 1);
  return all;
}

/**
 * The object to apply so that a rule's status has this node's entries; undefined when it has them already. It contains only
 * this node's entries, since server-side apply with one field manager a node leaves the others' alone. Where the node has
 * entries it also contains the count over all nodes: every node computes it from what it sees, so they agree in the end.
 */
export function statusToApply(
  watched: WatchedRule,
  node: string,
  mine: readonly InterceptedPod[],
): object | undefined {
  const { rule } = watched;
  const [shown, others] = [
    rule.status.pods.filter((entry) => entry.node === node),
    rule.status.pods.filter((entry) => entry.node !== node),
  ];
  const all = [...others, ...mine];
  const podsReady = `${all.filter(({ state }) => state === "ready").length}/${all.length}`;
  const counted = mine.length === 0 || watched.podsReady === podsReady;
  if (counted && same(shown, mine)) return undefined;
  return {
    apiVersion: `${GROUP}/${VERSION}`,
    kind: "InterceptRule",
    metadata: { name: rule.name, namespace: rule.namespace, uid: rule.uid },
    status: mine.length === 0 ? { pods: [] } : { pods: mine, podsReady },
  };
}

function same(a: readonly InterceptedPod[], b: readonly InterceptedPod[]): boolean {
  const key = (list: readonly InterceptedPod[]) =>
    JSON.stringify(list.map(({ pod, uid, state, reason }) => [uid, pod, state, reason ?? ""]).sort());
  return key(a) === key(b);
}
