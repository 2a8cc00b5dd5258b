/**
 * What each rule's status should say of this node's pods, and what has to be written so that it does. Derived from
 * what is there and what the API server shows, so that a restart needs no memory.
 */
import { GROUP, type InterceptedPod, type InterceptRule, parseRule, VERSION } from "../../wire/intercept.ts";
import { isTerminating } from "../../kube/objects/selectors.ts";
import { type Plan, type PlannedPort } from "./plan.ts";

/** A rule with the part of its status that only people read. */
export interface WatchedRule {
  readonly rule: InterceptRule;
  readonly podsReady?: string;
}

/**
 * A rule as it came from the API server.
 * @throws {TypeError} when it isn't one.
 */
export function parseWatchedRule(raw: unknown): WatchedRule {
  const rule = parseRule(raw);
  const { status } = raw as { status?: { podsReady?: unknown } };
  return typeof status?.podsReady === "string" ? { rule, podsReady: status.podsReady } : { rule };
}

/** How a planned port stands: steering, or why not (yet). */
export type Standing = { readonly state: "ready" } | {
  readonly state: "waiting" | "refused";
  readonly reason: string;
};

/** What this node has to say of each rule, by the rule's UID; rules without pods here that are to stay are left out. */
export function entries(
  plan: Plan,
  node: string,
  standing: (podUid: string, port: PlannedPort) => Standing,
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
      add(port.rule, { node, pod: pod.name, uid: pod.uid, ...standing(pod.uid, port) });
    }
  }
  for (const { rule, pod, reason } of plan.refusals) {
    add(rule, { node, pod: pod.name, uid: pod.uid, state: "refused", reason: reason.slice(0, 1024) });
  }
  for (const list of all.values()) list.sort((a, b) => a.uid < b.uid ? -1 : 1);
  return all;
}

/**
 * The object to apply so that a rule's status says what this node has to say; undefined when it does already. Only
 * this node's entries are in it (server-side apply, one field manager a node, leaves the others' alone), and, where
 * it has any, the count over all nodes: every node computes the same from what it sees, so they agree in the end.
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
