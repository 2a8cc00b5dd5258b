import { BpfError } from "../../ffi/bpf/libbpf.ts";
import { type Candidate, findPods } from "../../ffi/proc/pod_proc.ts";
import type { Pod } from "../../kube/objects/objects.ts";
import { isTerminating } from "../../kube/objects/selectors.ts";
import { type PlannedPod, type PlannedPort, rulesOf } from "./plan.ts";
import { ClosingHistory } from "./closing_history.ts";
import { LeavingPods } from "./leaving_pods.ts";
import { TakenPod, type TakeoverOptions } from "./taken_pod.ts";
import type { RelayChannel } from "./relay_link.ts";
import type { SteeredPort } from "../../wire/handover.ts";
import type { Log } from "../../wire/log.ts";

/** Why a pod can't be taken over, and whether that will last: its node's kernel refuses. */
export interface Refusal {
  readonly reason: string;
  readonly lasts: boolean;
}

/** What a pod is refused for. A pod that is starting has trouble for a moment, which isn't logged. */
interface Trouble extends Refusal {
  reason: string;
  lasts: boolean;
  readonly since: number;
  logged: boolean;
}

/** Milliseconds of trouble until it is logged. */
const LOGGED_AFTER_MS = 5_000;
/** Milliseconds until a pod that relay or the kernel refused is tried again: each handover closes its open connections. */
const REFUSED_MS = 10_000;

/** The pods of this node that are taken over for the connected relay, and the reasons why others aren't. */
export class TakenPods implements Disposable {
  readonly #how: TakeoverOptions;
  readonly #others: ReadonlySet<number>;
  readonly #log: Log;
  readonly #taken = new Map<string, TakenPod>();
  readonly #leaving: LeavingPods;
  readonly #troubles = new Map<string, Trouble>();
  /** When relay or the kernel refused a pod, by UID. */
  readonly #refused = new Map<string, number>();
  /** The ports that relay was told last, by the pod's UID. */
  readonly #told = new Map<string, string>();
  /** It outlives relay: what was closed for a rule stays so. */
  readonly #history = new ClosingHistory();

  /** @param others Inodes of network namespaces that are never taken: the host's and our own. */
  constructor(how: TakeoverOptions, others: ReadonlySet<number>, log: Log) {
    this.#how = how;
    this.#others = others;
    this.#log = log;
    this.#leaving = new LeavingPods(how.hostProc, log);
  }

  get(uid: string): TakenPod | undefined {
    return this.#taken.get(uid);
  }

  /** The reason why a pod isn't taken over yet. */
  trouble(uid: string): Refusal | undefined {
    return this.#troubles.get(uid);
  }

  /**
   * Takes over the planned pods, releases all others, and tells relay.
   * @param hasTunnel Whether a rule has a proven tunnel, so that its ports may be steered.
   * @returns Whether some pods have no sandbox yet, and should be tried again soon.
   */
  reconcile(
    planned: ReadonlyMap<string, PlannedPod>,
    relay: RelayChannel,
    hasTunnel: (rule: string) => boolean,
  ): boolean {
    for (const [uid, taken] of this.#taken) {
      const plan = planned.get(uid);
      const stays = plan !== undefined && taken.alive && this.#isStillRight(taken, plan.pod);
      if (!stays) this.#release(uid, relay);
    }
    const pods = [...planned.values()].map(({ pod }) => pod);
    for (const [uid, at] of this.#refused) {
      if (!planned.has(uid) || performance.now() - at > REFUSED_MS) this.#refused.delete(uid);
    }
    const missing = new Set(
      pods.filter((pod) => !isTerminating(pod) && !this.#taken.has(pod.uid) && !this.#refused.has(pod.uid))
        .map(({ uid }) => uid),
    );
    if (missing.size > 0) this.#take(missing, planned, relay);
    const leaving = pods.filter((pod) => isTerminating(pod) && this.#taken.has(pod.uid)).map(({ uid }) =>
      uid
    );
    this.#leaving.follow(new Set(leaving), (uid) => this.#release(uid, relay));
    for (const [uid, plan] of planned) {
      const taken = this.#taken.get(uid);
      if (taken) this.#steer(taken, plan, relay, hasTunnel);
    }
    for (const uid of this.#troubles.keys()) if (!planned.has(uid)) this.#troubles.delete(uid);
    this.#history.keep(planned);
    return [...missing].some((uid) => !this.#taken.has(uid) && !this.#refused.has(uid));
  }

  /** relay couldn't take a pod over: it is released for a while. */
  refused(uid: string, relay: RelayChannel): void {
    const taken = this.#taken.get(uid);
    if (!taken) return;
    this.#release(uid, relay);
    this.#refused.set(uid, performance.now());
    this.#trouble(taken.pod, "the node agent's relay couldn't take the pod over");
  }

  /** Steers no new connections; open ones stay with relay. */
  stopSteering(): void {
    for (const taken of this.#taken.values()) taken.steer([], this.#history);
  }

  /** Releases all pods without telling relay, which is gone or about to end. */
  [Symbol.dispose](): void {
    this.#leaving[Symbol.dispose]();
    for (const taken of this.#taken.values()) this.#end(taken);
    this.#taken.clear();
    this.#told.clear();
    this.#troubles.clear();
    this.#refused.clear();
  }

  #isStillRight(taken: TakenPod, pod: Pod): boolean {
    try {
      taken.check(pod); // its address may have become known only now
      taken.learnAddresses();
      return true;
    } catch (error) {
      this.#log("warn", "released a pod", { pod: pod.name, error });
      return false;
    }
  }

  #release(uid: string, relay: RelayChannel): void {
    const taken = this.#taken.get(uid);
    if (taken) this.#end(taken);
    this.#taken.delete(uid);
    this.#told.delete(uid);
    relay.send({ tell: "released", uid });
  }

  #end(taken: TakenPod): void {
    for (const port of taken.steered) this.#history.ends(taken.pod.uid, port);
    taken[Symbol.dispose]();
  }

  #take(missing: ReadonlySet<string>, planned: ReadonlyMap<string, PlannedPod>, relay: RelayChannel): void {
    const found = findPods(this.#how.hostProc, missing);
    for (const uid of missing) {
      const plan = planned.get(uid);
      if (!plan) continue;
      const taken = this.#tryCandidates(plan.pod, found.get(uid) ?? []);
      if (!taken) continue;
      this.#troubles.delete(uid);
      this.#taken.set(uid, taken);
      this.#handOver(taken, plan, relay);
    }
  }

  #tryCandidates(pod: Pod, candidates: readonly Candidate[]): TakenPod | undefined {
    const others = new Set([...this.#others, ...[...this.#taken.values()].map(({ inode }) => inode)]);
    if (candidates.length === 0) this.#trouble(pod, "the pod has no sandbox yet");
    for (const candidate of candidates) {
      try {
        return new TakenPod(pod, candidate, others, this.#how);
      } catch (error) {
        const lasts = error instanceof BpfError;
        this.#trouble(pod, error instanceof Error ? error.message : String(error), lasts);
        if (lasts) return void this.#refused.set(pod.uid, performance.now());
      }
    }
  }

  #trouble({ uid, name, namespace }: Pod, reason: string, lasts = false): void {
    const trouble = this.#troubles.get(uid) ?? { reason, lasts, since: performance.now(), logged: false };
    this.#troubles.set(uid, trouble);
    [trouble.reason, trouble.lasts] = [reason, lasts];
    if (trouble.logged || performance.now() - trouble.since < LOGGED_AFTER_MS) return;
    trouble.logged = true;
    this.#log("warn", "can't take over a pod", { pod: name, namespace, error: reason });
  }

  #handOver(taken: TakenPod, { pod, ports }: PlannedPod, relay: RelayChannel): void {
    const steered = steeredPorts(ports);
    const { families, datagrams, descriptors } = taken.made;
    relay.send({
      tell: "pod",
      uid: pod.uid,
      pod: `${pod.namespace}/${pod.name}`,
      addresses: pod.podIPs,
      workers: this.#how.workers,
      families,
      datagrams,
      ports: steered,
    }, descriptors);
    taken.handedOver();
    this.#told.set(pod.uid, JSON.stringify(steered));
  }

  #steer(taken: TakenPod, plan: PlannedPod, relay: RelayChannel, hasTunnel: (rule: string) => boolean): void {
    const { uid } = plan.pod;
    const ports = steeredPorts(plan.ports);
    const told = JSON.stringify(ports);
    // relay is told first, so that it knows the rule of a connection that comes at once.
    if (this.#told.get(uid) !== told) {
      relay.send({ tell: "ports", uid, ports });
      this.#told.set(uid, told);
    }
    const live = plan.ports.filter((one) =>
      taken.kept(one) === undefined && rulesOf(one).some(({ uid }) => hasTunnel(uid))
    );
    const failed = taken.steer(live, this.#history);
    if (failed) {
      this.#log("warn", "can't close open connections to an intercepted port: they stay with the pod", {
        pod: taken.pod.name,
        error: failed,
      });
    }
  }
}

function steeredPorts(ports: readonly PlannedPort[]): SteeredPort[] {
  return ports.map(({ protocol, port, personal, whole }) => ({
    protocol,
    port,
    personal: personal.map(({ uid }) => uid),
    ...(whole && { whole: whole.uid }),
  }));
}
