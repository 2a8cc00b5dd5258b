import type { InterceptEntry, OtherRule } from "../../wire/control.ts";
import { type InterceptRule, isPersonal } from "../../wire/intercept.ts";
import { mayOverlap } from "../../wire/match.ts";
import type { Challenge, Proof } from "../../wire/key_proof.ts";
import { helloOf } from "../../wire/hello.ts";
import type { Pod } from "../../kube/objects/objects.ts";
import { formatEndpoint } from "../../net/address.ts";
import { unlessAborted } from "../../async/abort.ts";
import type { ClusterApi } from "../discovery/cluster_api.ts";
import type { LocalTarget, NodeAgent, RuleCounts } from "../../dataplane/plane.ts";
import type { Log } from "../process/log.ts";
import { arrivals } from "./arrivals.ts";
import type { LocalEnd } from "./local_program.ts";
import { LocalPrograms, type LocalProgramsParts } from "./local_programs.ts";
import { keyOf, NamespaceIntercepts, type Wanted } from "./namespace_intercepts.ts";
import { person } from "./person.ts";
import type { Person } from "./session.ts";
import { podsOf, runningPodsOf, seesPods, type Topology, within } from "../discovery/topology.ts";
import { alsoTaken, currentTarget, type InterceptTarget, portWords, rulesAtSamePort } from "./target.ts";

const hello = helloOf("reversed-tunnel");
const NO_SERVICE = "nothing arrives until there is a Service";

/** What the data plane has to know of intercepts: their addresses on the laptop, and the node agents that they need. */
export interface InterceptData {
  readonly targets: readonly LocalTarget[];
  readonly agents: readonly NodeAgent[];
}

/** The parts of a cluster that intercepts need. */
export type InterceptedCluster = Pick<
  ClusterApi,
  "id" | "api" | "name" | "uid" | "caHash" | "topology" | "nodeAgents"
>;

/** How an intercept stands in the pods of its Service. */
export interface Standing {
  readonly ready: number;
  /** Pods that node agents refuse for good. */
  readonly refused: number;
  /** Pods of which node agents say something. */
  readonly reported: number;
  /** Pods that have a network. */
  readonly started: number;
  /** Those of them whose node has no node agent that is ready: they answer by themselves. */
  readonly unserved: number;
  readonly all: number;
  /** What the node agents say, and why there is no rule. */
  readonly problems: readonly string[];
}

/** The intercepts of this laptop in one cluster. */
export class ClusterIntercepts implements AsyncDisposable {
  readonly #cluster: InterceptedCluster;
  readonly #log: Log;
  readonly #tell: (data: InterceptData) => void;
  readonly #namespaces = new Map<string, Promise<NamespaceIntercepts>>();
  readonly #open = new Set<NamespaceIntercepts>();
  readonly #waiting = new Set<() => void>();
  readonly #programs: LocalPrograms;
  #person: Person | undefined;
  #watchingAgents: Disposable | undefined;
  #told = "";

  constructor(
    cluster: InterceptedCluster,
    log: Log,
    tell: (data: InterceptData) => void,
    programs: Omit<LocalProgramsParts, "wanted"> = {},
  ) {
    this.#programs = new LocalPrograms({
      ...programs,
      wanted: () => [...this.#open].flatMap(({ wanted }) => [...wanted.values()].map(localEnd)),
    });
    this.#cluster = cluster;
    this.#log = log;
    this.#tell = tell;
  }

  get any(): boolean {
    return [...this.#open].some((namespace) => namespace.wanted.size > 0);
  }

  /** Intercepts a Service's port, or changes its address on the laptop. `entry` says when it is in force. */
  async add(target: InterceptTarget, local: Wanted["local"], signal?: AbortSignal): Promise<Wanted> {
    const agents = this.#cluster.nodeAgents();
    await (signal ? unlessAborted(agents.ready, signal) : agents.ready);
    this.#watchingAgents ??= agents.onChange(() => this.changed());
    const name = target.service.namespace;
    const namespace = await this.#namespace(name, signal);
    try {
      return await namespace.add(target, local, signal);
    } finally {
      await this.#endIfEmpty(name, namespace);
    }
  }

  /** Ends an intercept, and its session when it was the last one of its namespace. */
  async remove(wanted: Wanted): Promise<void> {
    const name = wanted.rule.namespace;
    const namespace = await this.#namespaces.get(name);
    if (!namespace) return;
    try {
      await namespace.remove(wanted);
    } finally {
      await this.#endIfEmpty(name, namespace);
    }
  }

  async #endIfEmpty(name: string, namespace: NamespaceIntercepts): Promise<void> {
    if (namespace.wanted.size > 0) return;
    this.#namespaces.delete(name);
    this.#open.delete(namespace);
    await namespace.end();
    this.changed();
  }

  #namespace(name: string, signal?: AbortSignal): Promise<NamespaceIntercepts> {
    const there = this.#namespaces.get(name);
    if (there) return there;
    const opening = (async () => {
      const opened = await NamespaceIntercepts.open({
        api: this.#cluster.api,
        namespace: name,
        person: this.#person ??= await person(this.#cluster.api, this.#cluster.name),
        log: this.#log,
        changed: () => this.changed(),
      }, signal);
      this.#open.add(opened);
      return opened;
    })();
    this.#namespaces.set(name, opening);
    opening.catch(() => this.#namespaces.delete(name));
    return opening;
  }

  /** Tells the data plane and those that wait for it, after a change of rules, pods or agents. */
  changed(): void {
    const data = { targets: this.#targets(), agents: this.#agents() };
    const text = JSON.stringify(data);
    if (text !== this.#told) this.#tell(data);
    this.#told = text;
    for (const wake of [...this.#waiting]) wake();
  }

  /** Renews all sessions at once, after the laptop slept. */
  renew(): void {
    for (const namespace of this.#open) namespace.session.renew();
  }

  /** Waits for the next change, at most so many milliseconds. */
  async change(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#waiting.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }

  #targets(): LocalTarget[] {
    return [...this.#open].flatMap((namespace) =>
      [...namespace.wanted.values()].map(({ target, rule, local }) => ({
        protocol: target.port.protocol === "UDP" ? "udp" as const : "tcp" as const,
        rule: rule.uid,
        intercept: interceptId(target, rule),
        port: rule.port,
        host: local.host,
        localPort: local.port,
      }))
    );
  }

  /**
   * For each session the agents of the nodes with intercepted pods, also of pods that are being deleted, whose connections are
   * still open. The agents of all nodes where pods can't be listed.
   */
  #agents(): NodeAgent[] {
    const topology = this.#cluster.topology;
    const agents = this.#cluster.nodeAgents().usable();
    return [...this.#open].flatMap((namespace) => {
      const services = [...namespace.wanted.values()].map(({ target }) =>
        (currentTarget(topology, target) ?? target).service
      );
      if (services.length === 0) return [];
      const nodes = new Set(
        services.flatMap((service) => runningPodsOf(topology, service).map((pod) => pod.nodeName)),
      );
      const all = nodes.size === 0 && !seesPods(topology, namespace.session.object.namespace);
      return agents
        .filter(({ nodeName }) => nodeName !== undefined && (all || nodes.has(nodeName)))
        .map((agent) => ({
          pod: agent.name,
          uid: agent.uid,
          node: agent.nodeName ?? "",
          session: namespace.session.object.uid,
        }));
    });
  }

  /** Answers an agent's challenge, if it is that agent's own and asks for rules of the session for which it was dialled. */
  async prove(agent: NodeAgent, challenge: Challenge): Promise<Proof | undefined> {
    const namespace = [...this.#open].find((one) => one.session.object.uid === agent.session);
    if (!namespace || challenge.pod !== agent.uid || challenge.node !== agent.node) return undefined;
    const own = new Set([...namespace.wanted.values()].map((wanted) => wanted.rule.uid));
    if (!challenge.rules.every((rule) => own.has(rule))) return undefined;
    const version = Math.min(challenge.hello.version, hello.version);
    const cluster = version === 1 ? this.#cluster.caHash : this.#clusterOf(agent, challenge);
    if (cluster === undefined) return undefined;
    const { session } = agent;
    return await namespace.session.key.prove({ version, challenge, cluster, session, hello });
  }

  /** The cluster's UID: what is known of it, or else what the agent says. Undefined when the agent is of another cluster. */
  #clusterOf({ pod }: NodeAgent, { cluster }: Challenge): string | undefined {
    const { uid } = this.#cluster;
    if (uid === undefined || uid === cluster) return cluster;
    this.#log("warn", "a node agent is of another cluster than the API server", { pod });
    return undefined;
  }

  /** Looks whether programs listen where intercepts lead; they are followed from then on. */
  async lookAtPrograms(): Promise<void> {
    await this.#programs.look();
  }

  /** In how many pods an intercept is in force; undefined when it has ended. */
  standing(wanted: Wanted): Standing | undefined {
    const namespace = [...this.#open].find((one) => one.wanted.get(keyOf(wanted.target)) === wanted);
    return namespace && this.#standing(namespace, wanted, this.#cluster.topology);
  }

  #standing(namespace: NamespaceIntercepts, wanted: Wanted, topology: Topology): Standing {
    const { pods } = namespace.seen(wanted).status;
    const { service } = currentTarget(topology, wanted.target) ?? wanted.target;
    const running = podsOf(topology, service);
    const started = running.filter(({ podIPs }) => podIPs.length > 0);
    const reported = new Set(pods.map(({ uid }) => uid));
    const unserved = this.#withoutAgent(started.filter(({ uid }) => !reported.has(uid)));
    return {
      ready: pods.filter((pod) => pod.state === "ready").length,
      refused: pods.filter((pod) => pod.state === "refused").length,
      reported: pods.length,
      started: started.length,
      unserved: unserved.length,
      all: Math.max(pods.length, running.length),
      problems: [
        ...(wanted.problem === undefined ? [] : [wanted.problem]),
        // A pod that is ready has a reason where a limit leaves something out.
        ...pods.filter(({ state, reason }) => state !== "ready" || reason !== undefined)
          .map(({ pod, reason, state }) => `${pod}: ${reason ?? state}`),
        ...unserved.map(({ name, nodeName }) => `${name}: node ${nodeName} has no node agent that is ready`),
      ],
    };
  }

  /** Those of the pods whose nodes have no agent. None where no agent is seen: they aren't watched yet, or may not be listed. */
  #withoutAgent(pods: readonly Pod[]): readonly Pod[] {
    const agents = this.#cluster.nodeAgents().usable();
    if (agents.length === 0) return [];
    const served = new Set(agents.map(({ nodeName }) => nodeName));
    return pods.filter(({ nodeName }) => nodeName !== undefined && !served.has(nodeName));
  }

  /** Every intercept, with the connections that were counted of each; 0 without counts. */
  entries(counts: readonly RuleCounts[] = []): { entry: InterceptEntry; wanted: Wanted }[] {
    return [...this.#open].flatMap((namespace) => {
      const topology = within(this.#cluster.topology, namespace.session.object.namespace);
      return [...namespace.wanted.values()].map((wanted) => ({
        wanted,
        entry: this.#entry(namespace, wanted, counts, topology),
      }));
    });
  }

  #entry(
    namespace: NamespaceIntercepts,
    wanted: Wanted,
    counts: readonly RuleCounts[],
    topology: Topology,
  ): InterceptEntry {
    const { local, since, rule } = wanted;
    const current = currentTarget(topology, wanted.target);
    const target = current ?? wanted.target;
    const { ready, all, problems } = this.#standing(namespace, wanted, topology);
    const counted = counts.find((one) => one.rule === rule.uid);
    const silentSince = this.#programs.silentSince(localEnd(wanted));
    const missing = current ? arrivals(topology, current) : `${NO_SERVICE} ${target.service.name}`;
    return {
      id: interceptId(target, rule),
      cluster: this.#cluster.id,
      namespace: rule.namespace,
      service: target.service.name,
      port: rule.port,
      ...(rule.protocol && { protocol: rule.protocol }),
      ...(target.port.name ? { portName: target.port.name } : {}),
      local: formatEndpoint(local.host, local.port),
      since,
      pods: { ready, all },
      connections: { open: counted?.open ?? 0, total: counted?.total ?? 0 },
      alsoTaken: alsoTaken(topology, target),
      ...(silentSince === undefined ? {} : { silentSince }),
      ...(rule.match && { match: rule.match }),
      ...(rule.mirror && { mirror: rule.mirror }),
      ...(isPersonal(rule) && { requests: counted?.requests ?? { seen: 0, taken: 0, declined: 0 } }),
      ...(wanted.domain === undefined ? {} : { domain: wanted.domain }),
      ...(wanted.until === undefined ? {} : { until: wanted.until }),
      others: otherRules(rule, rulesAtSamePort(topology, target, namespace.others(wanted))),
      problems: missing === undefined ? problems : [...problems, missing],
    };
  }

  /** Ends all intercepts. @returns what is left in the cluster, in words */
  async end(): Promise<string[]> {
    this.#watchingAgents?.[Symbol.dispose]();
    this.#programs[Symbol.dispose]();
    await Promise.allSettled(this.#namespaces.values()); // a session that is being opened has to be ended too
    const open = [...this.#open];
    this.#open.clear();
    this.#namespaces.clear();
    return (await Promise.all(open.map((namespace) => namespace.end()))).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/** Where the intercept leads, as its program is looked for. */
function localEnd({ local, target }: Wanted): LocalEnd {
  return target.port.protocol === "UDP" ? { ...local, protocol: "udp" } : local;
}

/** As users see it: "echo.default:80", "dns.default:53/udp", and with the end of its rule's name where it is personal. */
function interceptId(target: InterceptTarget, rule: InterceptRule): string {
  const whole = portWords(target);
  return !isPersonal(rule) ? whole : `${whole}/${rule.name.slice(rule.name.lastIndexOf("-") + 1)}`;
}

/** In the order in which they are asked: personal rules, the older ones first, then the one for the whole Service. */
function otherRules(own: InterceptRule, others: readonly InterceptRule[]): OtherRule[] {
  return others.toSorted(byOrder).map((rule) => ({
    user: rule.user,
    ...((rule.service !== own.service || rule.port !== own.port) && { by: `${rule.service}:${rule.port}` }),
    ...(rule.match && { match: rule.match }),
    ...(rule.mirror && { mirror: rule.mirror }),
    since: rule.created,
    first: byOrder(rule, own) < 0,
    overlaps: !rule.mirror && !own.mirror && mayOverlap(rule.match, own.match),
  }));
}

/** As agent/attach/plan.ts orders the rules of a port. */
function byOrder(a: InterceptRule, b: InterceptRule): number {
  const key = (rule: InterceptRule) => `${isPersonal(rule) ? 0 : 1} ${rule.created} ${rule.uid}`;
  return key(a) < key(b) ? -1 : 1;
}
