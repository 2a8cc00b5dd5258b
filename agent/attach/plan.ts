/**
 * Plans which ports of which pods are intercepted on this node, and why others can't be: a pure function of the rules, live
 * sessions, Services and this node's pods, called again when one of them changes.
 *
 * The pods of a rule are those that its Service's selector matches in the rule's own namespace. Nothing that a tenant could
 * write by hand (EndpointSlices, Endpoints) adds a pod.
 */
import { type InterceptRule, type InterceptSession, isPersonal } from "../../wire/intercept.ts";
import type { Flow } from "../../wire/flow.ts";
import { ruleFingerprint } from "../../wire/personal_rule.ts";
import { fairShares } from "./shares.ts";
import type { Pod, Service } from "../../kube/objects/objects.ts";
import { isTerminating, mayRun, podPort, selects } from "../../kube/objects/selectors.ts";

export interface PlanInput {
  readonly rules: readonly InterceptRule[];
  /** The live sessions, by UID. */
  readonly sessions: ReadonlyMap<string, InterceptSession>;
  readonly services: readonly Service[];
  /** The pods of this node. */
  readonly pods: readonly Pod[];
  /** Namespaces labelled `pmz.dev/intercept=denied`. */
  readonly denied: ReadonlySet<string>;
  /** SHA-256 of a session's public key (the SubjectPublicKeyInfo's bytes), hex; undefined when it can't be read. */
  readonly fingerprint: (publicKey: string) => string | undefined;
}

/**
 * A port of a pod, of TCP or UDP, and the rules that intercept it, in the order in which they are asked: personal ones, the older first,
 * then the whole-service rule. What none of them takes is the pod's. Those that mirror are among the personal ones: they take nothing.
 */
export interface PlannedPort {
  readonly protocol: Flow["protocol"];
  readonly port: number;
  readonly personal: readonly InterceptRule[];
  readonly whole?: InterceptRule;
}

/** What tells a pod's port from its others: "53/udp". */
export function portName({ port, protocol }: Pick<PlannedPort, "port" | "protocol">): string {
  return `${port}/${protocol}`;
}

/** All rules of a port. */
export function rulesOf({ personal, whole }: PlannedPort): readonly InterceptRule[] {
  return whole ? [...personal, whole] : personal;
}

/** A planned port while rules are added. */
interface OpenPort extends PlannedPort {
  readonly personal: InterceptRule[];
  whole?: InterceptRule;
}

export interface PlannedPod {
  readonly pod: Pod;
  /** At most `limits.portsPerPod`; sorted by port and protocol. */
  readonly ports: readonly PlannedPort[];
}

/** The reason why a rule is not in force in a pod, for people. */
export interface Refusal {
  readonly rule: InterceptRule;
  readonly pod: Pod;
  readonly reason: string;
}

export interface NodePlan {
  /** The pods with at least one port, by UID. */
  readonly pods: ReadonlyMap<string, PlannedPod>;
  readonly refusals: readonly Refusal[];
}

/**
 * Limits of what tenants can use; rules beyond them are refused. `rulesPerNode` are divided among the namespaces that want
 * them; `portsPerPod` is PORTS of bpf/intercept.bpf.c; `personalPerPort` are the personal rules that a request is compared
 * with.
 */
export const limits = {
  rulesPerNamespace: 500,
  rulesPerNode: 500,
  portsPerPod: 256,
  personalPerPort: 128,
} as const;

/** A rule with pods on this node. */
interface Candidate {
  readonly rule: InterceptRule;
  readonly service: Service;
  readonly selected: readonly Pod[];
  /** Its number among the rules of its namespace, the oldest is 1: of all, and of those with pods on this node. */
  readonly inNamespace: number;
  readonly onNode: number;
}

class Count {
  readonly counts = new Map<string, number>();

  /** @returns how many there are now */
  add(of: string): number {
    const count = (this.counts.get(of) ?? 0) + 1;
    this.counts.set(of, count);
    return count;
  }
}

/** Runtimes whose sandboxes have a network stack of their own: the node's kernel sees no sockets in them. */
const sandboxed = /gvisor|runsc|kata/i;

/**
 * Plans this node. Older rules come first: they win when two whole-service rules want the same port, and within a namespace
 * when a limit is reached.
 */
export function plan(cluster: PlanInput): NodePlan {
  const pods = new Map<string, { pod: Pod; ports: OpenPort[] }>();
  const refusals: Refusal[] = [];
  const services = new Map(
    cluster.services.map((service) => [`${service.namespace}/${service.name}`, service]),
  );
  const podsOf = Map.groupBy(
    cluster.pods.filter(mayRun),
    (pod) => pod.namespace,
  );
  const candidates: Candidate[] = [];
  const [all, here] = [new Count(), new Count()];
  for (const rule of [...cluster.rules].sort(older)) {
    const inNamespace = all.add(rule.namespace);
    if (rule.deleting || !isOfLiveSession(rule, cluster)) continue;
    const service = services.get(`${rule.namespace}/${rule.service}`);
    const selector = service?.selector;
    if (!service || !selector) continue;
    const selected = (podsOf.get(rule.namespace) ?? []).filter((pod) => selects(selector, pod));
    if (selected.length === 0) continue;
    candidates.push({ rule, service, selected, inNamespace, onNode: here.add(rule.namespace) });
  }
  const shares = fairShares(here.counts, limits.rulesPerNode);
  for (const candidate of candidates) {
    const { rule, service, selected } = candidate;
    const limit = overLimit(candidate, shares.get(rule.namespace) ?? 0);
    for (const pod of selected) {
      const found = limit ?? cannot(rule, pod, cluster.denied) ?? targetOf(rule, service, pod);
      const taken = typeof found === "string" ? found : take(pods, pod, found, rule);
      if (taken && !isTerminating(pod)) refusals.push({ rule, pod, reason: taken });
    }
  }
  for (const { ports } of pods.values()) {
    ports.sort((a, b) => a.port - b.port || compare(a.protocol, b.protocol));
  }
  return { pods, refusals };
}

/** Kubernetes' times are all UTC and of one form, so their order is that of the texts. */
function older(a: InterceptRule, b: InterceptRule): number {
  return compare(a.created, b.created) || compare(a.uid, b.uid);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether the rule's session is alive, in the same namespace, and has the rule's key and user. */
function isOfLiveSession(rule: InterceptRule, cluster: PlanInput): boolean {
  const session = cluster.sessions.get(rule.session.uid);
  if (
    session?.namespace !== rule.namespace || session.name !== rule.session.name || session.user !== rule.user
  ) {
    return false;
  }
  const key = cluster.fingerprint(session.publicKey);
  return key !== undefined && ruleFingerprint(key, rule) === rule.keyFingerprint;
}

function overLimit(
  { rule: { namespace }, inNamespace, onNode }: Candidate,
  share: number,
): string | undefined {
  if (inNamespace > limits.rulesPerNamespace) {
    return `namespace ${namespace} already has ${limits.rulesPerNamespace} older rules, the most allowed`;
  }
  if (onNode > share) {
    return `this node takes ${limits.rulesPerNode} rules, and namespace ${namespace} already has its share: ${share} older ones`;
  }
}

function cannot(rule: InterceptRule, pod: Pod, denied: ReadonlySet<string>): string | undefined {
  if (denied.has(rule.namespace)) return `namespace ${rule.namespace} has the label pmz.dev/intercept=denied`;
  if (pod.hostNetwork) return "the pod uses its node's network";
  if (pod.runtimeClassName && sandboxed.test(pod.runtimeClassName)) {
    return `the pod's runtime class "${pod.runtimeClassName}" has a network stack of its own`;
  }
  if (rule.protocol === "UDP") return unseenInDatagrams(rule);
}

/** Why a rule for a UDP port takes nothing: of datagrams, only their callers can be told. */
function unseenInDatagrams({ match = {}, mirror }: InterceptRule): string | undefined {
  const { callers: _, ...others } = match;
  if (mirror) return "datagrams of a UDP port can't be mirrored";
  if (Object.keys(others).length > 0) return "datagrams of a UDP port are told apart by their callers alone";
}

/** A port of a pod. */
type PodPort = Pick<PlannedPort, "port" | "protocol">;

/** The pod's port that the rule's Service port leads to, or the reason why there is none. */
function targetOf(rule: InterceptRule, service: Service, pod: Pod): PodPort | string {
  const { protocol = "TCP" } = rule;
  const ports = service.ports.filter((port) => port.port === rule.port);
  const port = ports.find((port) => port.protocol === protocol);
  if (!port) {
    return ports.length > 0
      ? `port ${rule.port} of Service ${service.name} is not ${protocol}`
      : `Service ${service.name} has no port ${rule.port}`;
  }
  const number = podPort(pod, port);
  return number === undefined
    ? `the pod has no ${protocol} containerPort named "${port.targetPort}"`
    : { port: number, protocol: protocol === "UDP" ? "udp" : "tcp" };
}

/** Gives a port to a rule; returns the reason when it can't. */
function take(
  pods: Map<string, { pod: Pod; ports: OpenPort[] }>,
  pod: Pod,
  { port, protocol }: PodPort,
  rule: InterceptRule,
): string | undefined {
  const planned = pods.get(pod.uid) ?? { pod, ports: [] };
  let open = planned.ports.find((other) => other.port === port && other.protocol === protocol);
  if (!open) {
    if (planned.ports.length >= limits.portsPerPod) {
      return `${limits.portsPerPod} ports of the pod are already intercepted, the most allowed`;
    }
    planned.ports.push(open = { protocol, port, personal: [] });
    pods.set(pod.uid, planned);
  }
  if (isPersonal(rule)) {
    if (open.personal.length >= limits.personalPerPort) {
      return `the pod's port ${port} already has ${limits.personalPerPort} older personal rules, the most allowed`;
    }
    open.personal.push(rule);
  } else if (open.whole) {
    return `the pod's port ${port} is already intercepted: rule ${open.whole.name} of ${open.whole.user}`;
  } else open.whole = rule;
}
